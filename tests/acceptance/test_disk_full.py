"""A disk that is full: said in one line, and after there is room again the mirror is exact."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from support.mirroring import differing, quick, small_company, stamps
from support.program import completed, write_config
from support.servers import serving

from pcd.db.pool import Database
from pcd.sim.server import Simulator, serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from support.servers import OwnServer

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

_SIZE = 160 * 2**20
_LEFT = 256 * 2**10


@pytest.fixture
def small_disk(short_dir: Path) -> Generator[Path]:
    """Yield an empty file system of 160 MiB in memory."""
    folder = Path(tempfile.mkdtemp(prefix="disk-", dir=short_dir))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=0755", "tmpfs", folder],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest_asyncio.fixture
async def small_server(prepared: Path, small_disk: Path) -> AsyncGenerator[OwnServer]:
    """Yield a server of the test's own whose data lie on the small disk."""
    async with serving(prepared, parent=small_disk) as server:
        yield server


async def test_full_disk_costs_nothing_but_time(
    small_server: OwnServer, small_disk: Path, tmp_path: Path
) -> None:
    """The command says what is wrong and fails; the next one stores what upstream has, once."""
    simulator = Simulator(small_company(), settings=quick())
    output = tmp_path / "output.log"
    async with serve(simulator) as url:
        config = write_config(tmp_path, database_url=small_server.url, servicetitan_url=url)
        ballast = _fill(small_disk)
        assert await completed(config, "sync", "full", output=output) == 1
        told = output.read_text()
        assert "No space left on device" in told or "disk is full" in told, told
        assert "Traceback" not in told
        ballast.unlink()
        assert await completed(config, "sync", "full", output=output) == 0, output.read_text()
        db = await Database.connect(small_server.url, wait=timedelta(seconds=10))
        assert not await differing(simulator, db), output.read_text()
        before = await stamps(db)
        assert await completed(config, "sync", "full", output=output) == 0, output.read_text()
        assert await stamps(db) == before
        await db.close()


def _fill(folder: Path) -> Path:
    """Fill the disk under *folder* but for a little, and return the file that fills it."""
    ballast = folder / "ballast"
    free = os.statvfs(folder)
    with ballast.open("wb") as file, suppress(OSError):
        file.write(b"\0" * (free.f_bavail * free.f_frsize - _LEFT))
    return ballast
