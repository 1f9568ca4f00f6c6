"""The heartbeat, with a pulse that tests hold in their hands."""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import msgspec
import pytest

from pcd.clock import Clock
from pcd.telemetry.heartbeat import Heartbeat, write_atomically
from pcd.telemetry.metrics import Metrics
from pcd.telemetry.notify import Systemd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_BEAT = timedelta(milliseconds=10)


@dataclass
class _Pulse:
    answered_at: float
    looked_at: float


class _FastClock(Clock):
    """An hour on it passes in a second."""

    def monotonic(self) -> float:
        return super().monotonic() * 3600


@asynccontextmanager
async def _beating(
    file: Path, pulse: _Pulse, *, systemd: Systemd | None = None, clock: Clock | None = None
) -> AsyncIterator[None]:
    heartbeat = Heartbeat(
        file,
        interval=_BEAT,
        pulse=pulse,
        systemd=systemd or Systemd(),
        clock=clock or Clock(),
        metrics=Metrics(),
    )
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: heartbeat.run(task_status=task_status))
        yield
        group.cancel_scope.cancel()


async def _next_beat(file: Path, *, after: float = -1.0) -> dict[str, Any]:
    while True:
        if await anyio.Path(file).exists():
            beat: dict[str, Any] = msgspec.json.decode(await anyio.Path(file).read_bytes())
            if beat["uptime"] > after:
                return beat
        await anyio.sleep(0.005)


@pytest.mark.asyncio
async def test_heart_beats_while_the_database_answers(tmp_path: Path) -> None:
    now = Clock().monotonic()
    async with _beating(tmp_path / "beat", _Pulse(now, now)):
        beat = await _next_beat(tmp_path / "beat")
        assert beat["pid"] == os.getpid()
        assert datetime.fromisoformat(beat["timestamp"]).utcoffset() == timedelta(0)
        await _next_beat(tmp_path / "beat", after=beat["uptime"])


@pytest.mark.asyncio
async def test_heart_stands_still_when_the_database_never_answered(tmp_path: Path) -> None:
    pulse = _Pulse(float("-inf"), float("inf"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        systemd = Systemd(str(tmp_path / "notify"), watchdog=timedelta(milliseconds=60))
        async with _beating(tmp_path / "beat", pulse, systemd=systemd):
            for _ in range(3):
                await anyio.wait_readable(manager)
                assert manager.recv(100) == b"WATCHDOG=1"
    assert not await anyio.Path(tmp_path / "beat").exists()


@pytest.mark.asyncio
async def test_watchdog_is_not_fed_when_nobody_looks_any_more(tmp_path: Path) -> None:
    clock = _FastClock()
    began = clock.monotonic()
    pulse = _Pulse(float("inf"), began)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        systemd = Systemd(str(tmp_path / "notify"), watchdog=timedelta(milliseconds=60))
        async with _beating(tmp_path / "beat", pulse, systemd=systemd, clock=clock):
            while clock.monotonic() - began < 100:
                await anyio.lowlevel.checkpoint()
            with pytest.raises(BlockingIOError):
                manager.recv(100)


@pytest.mark.asyncio
async def test_file_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pulse = _Pulse(float("inf"), float("inf"))
    missing = tmp_path / "missing"
    async with _beating(missing / "beat", pulse):
        while not caplog.records:
            await anyio.lowlevel.checkpoint()
        await anyio.Path(missing).mkdir()
        await _next_beat(missing / "beat")
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["daemon.heartbeat_file"]


def test_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    write_atomically(file, b"one")
    with file.open("rb") as reader:
        write_atomically(file, b"two")
        assert reader.read() == b"one"
    assert file.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [file]
