"""Dumps of the whole database, and their way back, with PostgreSQL's own programs."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from pcd.db import account, leases
from pcd.db.binaries import bundled
from pcd.db.migrate import alone
from pcd.db.pool import Database
from pcd.db.url import split_password
from pcd.errors import ConfigError, ControlError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_HOURS = 12 * 3600.0
_KEPT = 7
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
# Worth nothing elsewhere: who holds what now, and where a sync is half-way.
_LEFT_OUT = ("--exclude-table-data=pcd.leases", "--exclude-table-data=pcd.seen")
# "3458; 0 0 TABLE ATTACH schema table owner", "3875; 2606 99 CONSTRAINT schema table name owner"
_ATTACHED = re.compile(r" TABLE ATTACH (\S+ \S+) ")
_CONSTRAINT = re.compile(r"^\d+; \d+ \d+ CONSTRAINT (\S+ \S+) ")
_NIGHTLY = re.compile(r"pcd-\d{4}-\d{2}-\d{2}\.dump")
_TORSO = re.compile(r"\.pcd-\d{4}-\d{2}-\d{2}\.dump\.\d+\.partial")

_USER_TABLES = """
SELECT count(*)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname <> 'information_schema'
  AND n.nspname NOT LIKE 'pg\\_%'
"""


async def backup(url: str, target: Path, *, overwrite: bool = False) -> int:
    """Write a dump of the database to *target* and return its size in bytes.

    The file appears whole or not at all, readable by its owner only. One that exists is refused unless
    *overwrite*. Raises ControlError for a target that cannot be, StoreError when the dump fails.
    """
    target, partial = _reserved(target, overwrite=overwrite)
    try:
        program = await _program("pg_dump", url)
        await _run(url, [program, "--format=custom", f"--file={partial}", "--no-password", *_LEFT_OUT])
        await _contents(partial)
        size = partial.stat().st_size
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return size


async def restore(
    url: str,
    source: Path,
    *,
    overwrite: bool = False,
    keep_grants: bool = True,
    on_step: Callable[[str], None],
) -> None:
    """Make the database what it was when *source* was dumped, whole or not at all.

    A database that is not empty is refused unless *overwrite*, and any while somebody holds a lease.
    *keep_grants* tells whether to restore who may read what; the roles must exist then.
    """
    contents = await _contents(source)
    db = await Database.connect(url, pool_size=2, application_name="pcd restore", wait=timedelta(seconds=10))
    try:
        async with db.session() as connection, alone(connection, wait=timedelta(0), on_step=on_step):
            await _refuse_in_use(db)
            if await db.fetchval(_USER_TABLES) and not overwrite:
                raise ControlError("the database is not empty; --force replaces what is in it", code="exists")
            program = await _program("pg_restore", url)
            with tempfile.NamedTemporaryFile("w", prefix="pcd-", suffix=".list") as order:
                order.write(children_first(contents))
                order.flush()
                await _run(
                    url,
                    [
                        program,
                        "--single-transaction",
                        "--exit-on-error",
                        "--no-password",
                        "--no-owner",
                        f"--use-list={order.name}",
                        *(() if keep_grants else ("--no-privileges",)),
                        *(("--clean", "--if-exists") if overwrite else ()),
                        str(source),
                    ],
                )
    finally:
        await db.close()


def children_first(contents: str) -> str:
    """Return the table of contents with the constraints of partitions before those of their parents.

    What is replaced is dropped in the reverse order, and a partition's key goes with its parent's only:
    dropped first it is an error.
    """
    lines = contents.splitlines()
    partitions = {found[1] for line in lines if (found := _ATTACHED.search(line))}
    own = [line for line in lines if (found := _CONSTRAINT.search(line)) and found[1] in partitions]
    rest = [line for line in lines if line not in own]
    at = next((n for n, line in enumerate(rest) if _CONSTRAINT.search(line)), len(rest))
    return "\n".join([*rest[:at], *own, *rest[at:]]) + "\n"


async def dump_nightly(url: str, *, folder: Path, now: datetime, keep: int = _KEPT) -> Path:
    """Write today's dump into *folder*, forget all but the newest *keep*, and return its path.

    A second one on the same day replaces the first. What was left by a process that was killed is forgotten.
    """
    await anyio.Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_torsos(folder, before=now - timedelta(seconds=_HOURS))
    target = folder / f"pcd-{now:%Y-%m-%d}.dump"
    await backup(url, target, overwrite=True)
    _forget_old(folder, keep=keep)
    return target


def _reserved(target: Path, *, overwrite: bool) -> tuple[Path, Path]:
    """Return the absolute *target* and an empty private file beside it to write to."""
    target = Path(os.path.abspath(target))  # noqa: PTH100 - no symlink is resolved
    if target.exists() and not overwrite:
        raise ControlError(f"{target} exists; --force replaces it", code="exists")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        # Left by an earlier process that had our number: in a container all of them have.
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise ControlError(f"{target} cannot be written: {error.strerror}", code="unwritable") from error
    return target, partial


def _forget_old(folder: Path, *, keep: int) -> None:
    dumps = sorted(path for path in folder.iterdir() if _NIGHTLY.fullmatch(path.name))
    for old in dumps[:-keep]:
        old.unlink()


def _forget_torsos(folder: Path, *, before: datetime) -> None:
    for path in folder.iterdir():
        if _TORSO.fullmatch(path.name) and path.lstat().st_mtime < before.timestamp():
            path.unlink()


async def _refuse_in_use(db: Database) -> None:
    if not await db.fetchval("SELECT to_regclass('pcd.leases') IS NOT NULL"):
        return
    held = next((each for each in await leases.read(db) if each.is_live), None)
    if held is not None:
        raise ControlError(f"{held.holder} is at work (lease {held.name}); stop it first", code="busy")


async def _contents(dump: Path) -> str:
    """Return the table of contents of *dump*. Raises ControlError unless it can be read to its end."""
    if not await anyio.Path(dump).is_file():
        raise ControlError(f"{dump} is not there", code="missing")
    program = str(bundled() / "pg_restore")
    finished = await account.run([program, "--list", str(dump)], account=None, seconds=60)
    if finished.code != 0:
        raise ControlError(f"{dump} is not a dump that pcd wrote: {_first_complaint(finished.output, '')}")
    return finished.output


async def _program(name: str, url: str) -> str:
    """Return *name* in the version closest to the server's: an older one refuses to work.

    A newer pg_restore sends settings that an older server does not know, so the same one comes first.
    """
    db = await Database.connect(url, pool_size=1, wait=timedelta(seconds=10))
    try:
        server = int(await db.fetchval("SELECT current_setting('server_version_num')")) // 10000
    finally:
        await db.close()
    found: dict[int, str] = {}
    # The wheel's own cannot do TLS; what the machine has comes first.
    for program in (shutil.which(name), None if "sslmode=" in url else str(bundled() / name)):
        if program is not None:
            answer = await account.run([program, "--version"], account=None, seconds=30)
            version = _VERSION.search(answer.output)
            if version is not None:
                found.setdefault(int(version.group(1)), program)
    fitting = [major for major in found if major >= server]
    if not fitting:
        raise ConfigError(
            f"no {name} of PostgreSQL {server} or newer is installed (postgresql-client-{server})"
        )
    return found[min(fitting)]


async def _run(url: str, command: list[str]) -> None:
    """Run a client program on the database. Its arguments are public, so the password is not among them."""
    bare, password = split_password(url)
    environment = {**os.environ, "LC_ALL": "C"} | ({"PGPASSWORD": password} if password else {})
    command = [command[0], f"--dbname={bare}", *command[1:]]
    try:
        finished = await account.run(command, account=None, seconds=_HOURS, environment=environment)
    except TimeoutError as error:
        raise StoreError(f"{Path(command[0]).name} took longer than {_HOURS / 3600:g} hours") from error
    if finished.code != 0:
        raise StoreError(_first_complaint(finished.output, password))


def _first_complaint(output: str, secret: str) -> str:
    lines = [
        line for line in output.splitlines() if "error:" in line or "FATAL" in line
    ] or output.splitlines()
    text = " ".join((lines[0] if lines else "it does not say why").split())
    if "other objects depend" in text:
        dependent = [line for line in output.splitlines() if " depends on " in line]
        text = " ".join([text, *dependent[:1]])
    if "No space left on device" in output:
        text = "the disk is full"
    return (text.replace(secret, "***") if secret else text)[:300]
