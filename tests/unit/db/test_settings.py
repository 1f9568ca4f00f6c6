from __future__ import annotations

from pathlib import Path

import pytest

from pcd.db.cluster import _reason
from pcd.db.settings import pg_ident, postgresql_conf


def test_a_setting_of_the_callers_wins_and_is_quoted() -> None:
    text = postgresql_conf(socket_dir=Path("/it's"), extra={"jit": "on"})
    assert "jit = 'on'\n" in text
    assert "jit = 'off'" not in text
    assert "unix_socket_directories = '/it''s'\n" in text
    assert "listen_addresses = ''\n" in text


def test_each_user_is_mapped_once() -> None:
    assert pg_ident(users=("root", "postgres", "root")) == 'pcd "root" pcd\npcd "postgres" pcd\n'


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("FATAL:  could not write: No space left on device", "the disk is full"),
        ("LOG: unrecognized parameter x\nFATAL: contains errors", "unrecognized parameter x FATAL: contains"),
        ("initdb: error: cannot be run as root", "cannot be run as root"),
        ("", "does not say why"),
    ],
    ids=["disk full", "setting", "initdb", "silent"],
)
def test_a_failed_start_gives_its_reason(output: str, reason: str) -> None:
    assert reason in _reason(output)
