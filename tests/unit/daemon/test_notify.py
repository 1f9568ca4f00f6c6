"""What systemd hears."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pcd.telemetry.notify import Systemd

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_assignments_arrive_one_a_line(tmp_path: Path, kind: str) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"@pcd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address if kind == "path" else "\0" + address[1:])
        Systemd(address).tell(READY=1, STATUS="mirroring")
        assert manager.recv(1000) == b"READY=1\nSTATUS=mirroring"


def test_absent_manager_is_no_trouble(tmp_path: Path) -> None:
    Systemd().tell(READY=1)
    Systemd(str(tmp_path / "nobody")).tell(READY=1)


@pytest.mark.parametrize(
    ("env", "watchdog"),
    [
        pytest.param({}, None, id="no watchdog"),
        pytest.param({"WATCHDOG_USEC": "30000000"}, timedelta(seconds=30), id="for anybody"),
        pytest.param(
            {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, timedelta(seconds=30), id="ours"
        ),
        pytest.param({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None, id="another's"),
        pytest.param({"WATCHDOG_USEC": "soon"}, None, id="garbage"),
    ],
)
def test_watchdog_is_ours_only_when_it_is_meant_for_us(
    env: dict[str, str], watchdog: timedelta | None
) -> None:
    assert Systemd.from_environment(env).watchdog == watchdog
