from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from pathlib import Path


def pcd(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would, with nothing configured but *environment*."""
    clean = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pcd", "db", *words],
        env={**clean, "PCD_CONFIG": "/dev/null", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def data_dir(short_dir: Path, request: pytest.FixtureRequest) -> Path:
    return short_dir / f"cli-{abs(hash(request.node.name)) % 10**6}"


def test_the_url_of_the_embedded_server_starts_nothing(data_dir: Path) -> None:
    shown = pcd("url", PCD_DAEMON__DATA_DIR=str(data_dir))
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("postgresql://pcd@/pcd?host=%2Ftmp%2F")
    assert not data_dir.exists()


def test_the_password_is_masked_unless_asked_for() -> None:
    url = "postgresql://someone:p@ss@db.example.org/main"
    assert pcd("url", DATABASE_URL=url).stdout == "postgresql://someone:***@db.example.org/main\n"
    shown = pcd("url", "--show-password", DATABASE_URL=url)
    assert shown.stdout == "postgresql://someone:p%40ss@db.example.org/main\n"


def test_a_fresh_installation_is_migrated_dumped_and_restored(data_dir: Path, tmp_path: Path) -> None:
    place = {"PCD_DAEMON__DATA_DIR": str(data_dir)}
    assert json.loads(pcd("status", "--json", **place).stdout)["running"] is False
    migrated = pcd("migrate", **place)
    assert migrated.returncode == 0, migrated.stderr
    assert pcd("migrate", **place).stdout == "It was up to date.\n"
    dump = tmp_path / "all.dump"
    assert pcd("backup", str(dump), **place).returncode == 0
    refused = pcd("restore", str(dump), **place)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "pcd: the database is not empty; --force replaces what is in it\n"
    restored = pcd("restore", str(dump), "--force", **place)
    assert restored.returncode == 0, restored.stderr
    running = [process for process in psutil.process_iter(["cmdline"]) if str(data_dir) in str(process.info)]
    assert running == []


def test_a_users_own_server_is_described(database_url: str) -> None:
    found = json.loads(pcd("status", "--json", DATABASE_URL=database_url).stdout)
    assert found["embedded"] is False
    assert all(each["applied_at"] for each in found["migrations"])
    text = pcd("status", DATABASE_URL=database_url).stdout
    assert "0001 internal" in text
