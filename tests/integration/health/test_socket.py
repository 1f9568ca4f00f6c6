"""The control socket against clients that mean no good: fuzzed, flooded, never read."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pcd.control import protocol
from pcd.control import wellbeing as methods_module
from pcd.control.client import connect
from pcd.control.server import ControlServer
from pcd.control.wellbeing import WellbeingMethods
from pcd.errors import ControlError
from pcd.telemetry import log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from pcd.control.server import Tell

pytestmark = pytest.mark.asyncio
MEGABYTE = 1 << 20


class Quiet:
    """A watch that sees nothing."""

    async def health(self) -> dict[str, Any]:
        return {"level": "ok"}


async def nothing_changed() -> dict[str, Any]:
    return {"applied": [], "needs_restart": []}


@pytest.fixture
def ring() -> Iterator[log.Recent]:
    """A ring that remembers the log as a daemon's does, without touching what pytest set up."""
    kept = log.Recent()
    root = logging.getLogger()
    before = root.level
    root.addHandler(kept)
    root.setLevel(logging.INFO)
    yield kept
    root.removeHandler(kept)
    root.setLevel(before)


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Path]:
    async def flood(_params: dict[str, Any], tell: Tell) -> object:
        while True:
            await tell("x" * 100_000)

    table = WellbeingMethods(Quiet(), reload=nothing_changed).table() | {"flood": flood}
    control = ControlServer(path, methods=table, version="1")
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: control.run(task_status=task_status))
        yield path
        group.cancel_scope.cancel()


async def still_answers(path: Path) -> None:
    async with connect(path) as client:
        with anyio.fail_after(20):
            assert await client.call("health") == {"level": "ok"}


WORDS = st.sampled_from(
    [b"{", b"}", b'"id"', b":", b"1", b",", b'"method"', b'"hello"', b"[", b"null", b"\n", b"\xff"]
)
GARBAGE = st.one_of(
    st.binary(max_size=200),
    st.lists(WORDS, max_size=30).map(b"".join),
    st.builds(
        msgspec.json.encode,
        st.fixed_dictionaries(
            {"id": st.integers() | st.none(), "method": st.text(max_size=10) | st.just("logs.read")},
            optional={"params": st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5))},
        ),
    ),
)


async def test_no_garbage_stops_the_daemon_from_answering(tmp_path: Path) -> None:
    async with serving(tmp_path / "s") as path:
        for line in _examples(60):
            async with await anyio.connect_unix(path) as stream:
                await stream.send(line + b"\n")
                await stream.send_eof()
                with anyio.fail_after(20):
                    async for chunk in stream:
                        for answer in chunk.splitlines():
                            assert answer.startswith(b'{"id":')
        await still_answers(path)


@given(GARBAGE)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def _decodes(line: bytes) -> None:
    for part in line.split(b"\n"):
        with suppress(ControlError):
            protocol.decode_request(part)


def _examples(count: int) -> list[bytes]:
    found: list[bytes] = []

    @given(GARBAGE)
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    def collect(line: bytes) -> None:
        found.append(line)

    collect()
    return found


async def test_garbage_is_refused_by_the_decoder_and_never_raises_otherwise() -> None:
    _decodes()


async def test_endless_line_is_refused_without_being_kept(tmp_path: Path) -> None:
    """A gigabyte without a newline: the client is turned away after the first megabyte."""
    before = psutil.Process().memory_info().rss
    async with serving(tmp_path / "s") as path, await anyio.connect_unix(path) as stream:
        sent = 0
        with anyio.fail_after(20):
            try:
                for _ in range(1024):
                    await stream.send(b"x" * MEGABYTE)
                    sent += 1
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                pass
        assert sent < 64
        await still_answers(path)
    assert psutil.Process().memory_info().rss - before < 64 * MEGABYTE


async def test_client_that_never_reads_is_dropped_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcd.control.server._PATIENCE", 0.3)
    async with serving(tmp_path / "s") as path:
        deaf = socket.socket(socket.AF_UNIX)
        deaf.connect(str(path))
        deaf.sendall(b'{"id": 1, "method": "flood"}\n')
        for _ in range(3):
            await still_answers(path)
        deaf.settimeout(0.05)
        with anyio.fail_after(10):
            while not await anyio.to_thread.run_sync(_is_closed, deaf):  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.2)
        deaf.close()


async def test_clients_that_say_nothing_or_never_read_make_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty-two are served at once: forty that keep us waiting must not lock everybody out."""
    monkeypatch.setattr("pcd.control.server._LINGERING", 0.2)
    async with serving(tmp_path / "s") as path, AsyncExitStack() as stack:
        for number in range(40):
            stream = await stack.enter_async_context(await anyio.connect_unix(path))
            if number % 2:
                await stream.send(b'{"id": 1, "method": "flood"}\n')
        for _ in range(3):
            await still_answers(path)


async def test_clients_that_take_their_time_are_let_be_while_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcd.control.server._LINGERING", 0.0)
    async with serving(tmp_path / "s") as path, connect(path) as patient:
        for _ in range(3):
            await still_answers(path)
        assert await patient.call("health") == {"level": "ok"}


def _is_closed(deaf: socket.socket) -> bool:
    """Whether the other end has gone; a write tells, a read would empty what it waits to send."""
    try:
        deaf.send(b"\n")
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


async def test_log_is_read_followed_and_made_louder(tmp_path: Path, ring: log.Recent) -> None:
    story = logging.getLogger("pcd.story")
    for number in range(5):
        story.info("line %d", number)
    story.warning("Bearer abcdefghij")
    async with serving(tmp_path / "s") as path, connect(path) as client:
        read = await client.call("logs.read", {"last": 2})
        assert [line["message"] for line in read["lines"]] == ["line 4", "Bearer ***"]
        worse = await client.call("logs.read", {"level": "warning"})
        assert [line["message"] for line in worse["lines"]] == ["Bearer ***"]
        assert await client.call("logs.level", {"level": "debug"}) == {"level": "debug", "before": "info"}
        story.debug("now heard")
        heard: list[str] = []
        enough = anyio.Event()

        def hear(part: dict[str, Any]) -> None:
            heard.extend(line["message"] for line in part["lines"] if line["logger"] == "pcd.story")
            if "the end" in heard:
                enough.set()

        async with anyio.create_task_group() as group, connect(path) as other:
            group.start_soon(lambda: other.call("logs.read", {"last": 1, "follow": True}, on_progress=hear))
            with anyio.fail_after(20):
                while not heard:  # noqa: ASYNC110 - no event tells
                    await anyio.sleep(0.01)
                story.error("the end")
                await enough.wait()
            group.cancel_scope.cancel()
    assert heard == ["now heard", "the end"]
    async with serving(tmp_path / "s") as path, connect(path) as client:
        with pytest.raises(ControlError, match="there is no level 'loud'"):
            await client.call("logs.level", {"level": "loud"})


async def test_follower_that_left_gives_its_place_back(
    tmp_path: Path, ring: log.Recent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty-two are served at once: forty followers of a silent log must not lock everybody out."""
    monkeypatch.setattr(methods_module, "_SIGN_OF_LIFE", 0.1)
    monkeypatch.setattr(methods_module, "_LOOK_EVERY", 0.05)
    async with serving(tmp_path / "s") as path:
        for _ in range(40):
            async with await anyio.connect_unix(path) as stream:
                await stream.send(
                    b'{"id": 1, "method": "logs.read", "params": {"follow": true, "last": 0}}\n'
                )
        await still_answers(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a moment")
async def test_another_users_process_is_turned_away(short_dir: Path) -> None:
    path = short_dir / "health-peer.sock"
    async with serving(path):
        path.chmod(0o666)
        stranger = socket.socket(socket.AF_UNIX)
        stranger.settimeout(20)
        # The kernel notes who connects, at that moment.
        os.seteuid(65534)
        try:
            stranger.connect(str(path))
        finally:
            os.seteuid(0)
        assert await anyio.to_thread.run_sync(stranger.recv, 10) == b""
        stranger.close()
        await still_answers(path)
