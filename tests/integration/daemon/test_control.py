"""The control socket, with clients that behave and clients that do not."""

from __future__ import annotations

import socket
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pcd.control import client as client_module
from pcd.control import protocol, server
from pcd.control.client import connect, connect_if_any
from pcd.control.server import ControlServer, claimed
from pcd.errors import ConfigError, ControlError, DaemonUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pcd.control.server import Method, Tell


async def echo(params: dict[str, Any], _tell: Tell) -> object:
    return params


async def count(params: dict[str, Any], tell: Tell) -> object:
    for number in range(params["to"]):
        await tell(number)
    return "done"


async def fail(_params: dict[str, Any], _tell: Tell) -> object:
    raise ZeroDivisionError("a bug")


async def refuse(_params: dict[str, Any], _tell: Tell) -> object:
    raise ControlError("not today", code="closed")


METHODS: dict[str, Method] = {"echo": echo, "count": count, "fail": fail, "refuse": refuse}


@asynccontextmanager
async def serving(path: Path, **more: Method) -> AsyncIterator[Path]:
    control = ControlServer(path, methods=METHODS | more, version="1.2.3")
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: control.run(task_status=task_status))
        yield path
        group.cancel_scope.cancel()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.mark.asyncio
async def test_daemon_introduces_itself_and_answers(path: Path) -> None:
    async with serving(path), connect(path) as client:
        assert client.version == "1.2.3"
        assert await client.call("echo", {"a": [1, None, "ü"]}) == {"a": [1, None, "ü"]}


@pytest.mark.asyncio
async def test_progress_comes_before_the_result(path: Path) -> None:
    heard: list[int] = []
    async with serving(path), connect(path) as client:
        assert await client.call("count", {"to": 3}, on_progress=heard.append) == "done"
    assert heard == [0, 1, 2]


@pytest.mark.asyncio
async def test_error_is_answered_and_the_connection_goes_on(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(path), connect(path) as client:
        with pytest.raises(ControlError, match="not today") as refused:
            await client.call("refuse")
        with pytest.raises(ControlError, match="ZeroDivisionError: a bug"):
            await client.call("fail")
        with pytest.raises(ControlError, match="no method 'statsu'; there are: count"):
            await client.call("statsu")
        assert await client.call("echo") == {}
    assert refused.value.code == "closed"
    assert [record.getMessage() for record in caplog.records] == ["control: fail failed"]


@pytest.mark.asyncio
async def test_socket_is_private_and_gone_afterwards(path: Path) -> None:
    async with serving(path):
        assert _kind(path) == "socket 600"
    assert _kind(path) == "nothing"


@pytest.mark.asyncio
async def test_socket_of_a_killed_daemon_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    async with serving(path), connect(path) as client:
        assert await client.call("echo") == {}


def test_second_daemon_is_told_about_the_first(path: Path) -> None:
    with claimed(path), pytest.raises(ConfigError, match="another daemon listens"), claimed(path):
        pass
    with claimed(path):
        pass


@pytest.mark.asyncio
async def test_file_in_the_place_of_the_socket_is_left_alone(path: Path) -> None:
    await anyio.Path(path).write_text("precious")
    control = ControlServer(path, methods=METHODS, version="1.2.3")
    with pytest.raises(ConfigError, match="is no socket"):
        await control.run(task_status=anyio.TASK_STATUS_IGNORED)
    assert await anyio.Path(path).read_text() == "precious"


@pytest.mark.asyncio
async def test_no_daemon_is_unreachable(path: Path) -> None:
    with pytest.raises(DaemonUnreachable, match="no daemon answers"):
        async with connect(path):
            pass


@pytest.mark.asyncio
async def test_daemon_that_does_not_answer_is_stuck_and_not_absent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_HELLO", 0.05)
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(path))
        async with connect_if_any(path) as client:
            assert client is None
        frozen.listen()
        with pytest.raises(DaemonUnreachable, match="is it stuck"):
            async with connect_if_any(path):
                pass


@pytest.mark.asyncio
async def test_daemon_that_goes_away_is_unreachable(path: Path) -> None:
    began = anyio.Event()

    async def hang(_params: dict[str, Any], _tell: Tell) -> object:
        began.set()
        await anyio.sleep_forever()
        return None

    async with anyio.create_task_group() as group:
        control = ControlServer(path, methods={"hang": hang}, version="1.2.3")
        await group.start(lambda *, task_status: control.run(task_status=task_status))
        async with connect(path) as client:

            async def stop() -> None:
                await began.wait()
                group.cancel_scope.cancel()

            group.start_soon(stop)
            with anyio.CancelScope(shield=True), pytest.raises(DaemonUnreachable, match="went away"):
                await client.call("hang")


def _kind(path: Path) -> str:
    if not path.exists():
        return "nothing"
    mode = path.stat().st_mode
    return f"{'socket' if stat.S_ISSOCK(mode) else 'file'} {stat.S_IMODE(mode):o}"


async def _raw(path: Path, sent: bytes) -> bytes:
    stream = await anyio.connect_unix(path)
    async with stream:
        await stream.send(sent)
        return await stream.receive()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="a browser"),
        pytest.param(b"\x00\xff\xfe\n", id="bytes"),
        pytest.param(b'{"id": 1}\n', id="half a request"),
        pytest.param(b"[" * 50_000 + b"\n", id="deep nesting"),
    ],
)
async def test_garbage_is_answered_with_an_error(path: Path, sent: bytes) -> None:
    async with serving(path):
        answer = protocol.decode_answer((await _raw(path, sent)).splitlines()[0])
        assert isinstance(answer.error, protocol.Complaint)
        assert answer.error.code == "bad_request"
        async with connect(path) as client:
            assert await client.call("echo") == {}


@pytest.mark.asyncio
async def test_endless_line_ends_the_connection(path: Path) -> None:
    async with serving(path):
        stream = await anyio.connect_unix(path)
        async with stream, anyio.create_task_group() as group:

            async def pour() -> None:
                try:
                    while True:
                        await stream.send(b"x" * 65_536)
                except anyio.BrokenResourceError:
                    return

            group.start_soon(pour)
            answer = protocol.decode_answer(await stream.receive())
        assert isinstance(answer.error, protocol.Complaint)
        assert answer.error.code == "too_long"


@pytest.mark.asyncio
async def test_client_that_does_not_read_is_dropped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PATIENCE", 0.05)
    dropped = anyio.Event()

    async def flood(_params: dict[str, Any], tell: Tell) -> object:
        try:
            while True:
                await tell("x" * 65_536)
        finally:
            dropped.set()

    async with serving(path, flood=flood):
        stream = await anyio.connect_unix(path)
        async with stream:
            await stream.send(protocol.encode(protocol.Request(id=1, method="flood")))
            await dropped.wait()
        async with connect(path) as client:
            assert await client.call("echo") == {}


@pytest.mark.asyncio
async def test_process_of_another_user_is_turned_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_is_ours", lambda _stream: False)
    async with serving(path):
        with pytest.raises(DaemonUnreachable):
            async with connect(path):
                pass


@pytest.mark.asyncio
async def test_more_clients_than_places_are_served_in_turn(path: Path) -> None:
    async with serving(path), anyio.create_task_group() as group:

        async def one() -> None:
            async with connect(path) as client:
                await client.call("count", {"to": 2})

        for _ in range(100):
            group.start_soon(one)


@pytest.mark.asyncio
async def test_short_answers_are_given_while_many_follow_something(path: Path) -> None:
    """A person finds out why, and the one who leaves makes room for the next."""
    begun = anyio.Semaphore(0)

    async def follow(_params: dict[str, Any], tell: Tell) -> None:
        tell.stay()
        await tell("here")
        begun.release()
        await anyio.sleep_forever()

    async def ask() -> None:
        async with connect(path) as client:
            await client.call("follow")

    async with serving(path, follow=follow), anyio.create_task_group() as group:
        for _ in range(server._LASTING):
            group.start_soon(ask)
        with anyio.fail_after(10):
            for _ in range(server._LASTING):
                await begun.acquire()
        for _ in range(server._AT_ONCE):
            async with connect(path) as client:
                with pytest.raises(ControlError, match="24 commands that take long are under way") as found:
                    await client.call("follow")
                assert found.value.code == "crowded"
                assert await client.call("echo", {"a": 1}) == {"a": 1}
        group.cancel_scope.cancel()
