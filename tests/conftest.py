"""Databases for tests: an embedded server of their own, and the machine's PostgreSQL where there is one."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.from_thread
import asyncpg
import pytest
import pytest_asyncio
import uvloop
from support.databases import Databases, administer, at
from support.servers import OwnServer, serving
from support.watchdog import WATCHDOG, stop_servers

from pcd.changes import armer
from pcd.db.embedded import Embedded
from pcd.db.migrate import migrate
from pcd.db.pool import Database
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping

_INTEGRATION = Path(__file__).parent / "integration"
_ABOUT_SQL = ("db", "tables", "changes", "events")
_SYSTEM_URL = os.environ.get("PCD_TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
_OLDEST = 150000
# What a test loses in a power failure does not matter.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "60"}
_NUMBERS = count(1)


class Server(NamedTuple):
    """A server that tests may make databases on as the user of *admin*; the others are ready-made ones."""

    admin: str
    migrated: Databases
    watched: Databases


def pytest_configure(config: pytest.Config) -> None:
    """Look for the machine's server, and have a run that is ended by force leave nothing on it."""
    config.stash[_SYSTEM] = anyio.run(_reaches_system)
    if config.stash[_SYSTEM]:
        config.stash[WATCHDOG].at_end(partial(anyio.run, _forget_databases))


_SYSTEM = pytest.StashKey[bool]()


def pytest_report_header(config: pytest.Config) -> str:
    """Say on which servers the integration tests run."""
    return f"PostgreSQL: embedded{' and the one at localhost' if config.stash[_SYSTEM] else ' only'}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests for which the server's version matters on both, everything else on the embedded one."""
    if "server" not in metafunc.fixturenames:
        return
    path = metafunc.definition.path
    matters = metafunc.definition.get_closest_marker("every_server") or any(
        path.is_relative_to(_INTEGRATION / name) for name in _ABOUT_SQL
    )
    both = matters and metafunc.config.stash[_SYSTEM]
    servers = ["embedded", "system"] if both else ["embedded"]
    metafunc.parametrize("server", servers, indirect=True, scope="session")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Run asynchronous tests on the event loop that the daemon uses."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def short_dir(pytestconfig: pytest.Config) -> Generator[Path]:
    """Yield a folder with a path short enough for sockets, which every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="pcd-", dir="/tmp"))
    folder.chmod(0o755)
    pytestconfig.stash[WATCHDOG].at_end(partial(shutil.rmtree, folder))
    pytestconfig.stash[WATCHDOG].at_end(partial(stop_servers, folder))
    yield folder
    stop_servers(folder)
    shutil.rmtree(folder)


@pytest.fixture
def unused_tcp_port() -> Generator[int]:
    """Yield a port that refuses connections; it is held, so that no other test gets it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def prepared(short_dir: Path) -> Path:
    """Return a data directory with a migrated, empty database, whose server does not run: to be copied."""
    folder = short_dir / "prepared"
    anyio.run(_prepare, folder)
    return folder


@pytest_asyncio.fixture
async def own_server(prepared: Path, short_dir: Path) -> AsyncGenerator[OwnServer]:
    """Yield a server of the test's own, with a migrated, empty database."""
    async with serving(prepared, parent=short_dir) as server:
        yield server


@pytest.fixture(scope="session")
def embedded_url(short_dir: Path) -> Generator[str]:
    """Yield the URL of an embedded server that lives as long as the test run."""
    embedded = Embedded(short_dir / "session", settings=_FAST)
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(embedded.use(owner=True)) as url,
    ):
        yield url


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Generator[Server]:
    """Yield the server that a test runs on."""
    system = request.param == "system"
    admin = _SYSTEM_URL if system else request.getfixturevalue("embedded_url")
    prefix = f"pcd_test_{os.getpid()}"
    migrated = Databases(admin, prefix=prefix, prepare=_migrate)
    watched = Databases(admin, prefix=f"{prefix}_watched", prepare=_watch)
    yield Server(admin, migrated, watched)
    watched.drop()
    migrated.drop()


@pytest.fixture
def empty_database_url(server: Server) -> Generator[str]:
    """Yield the URL of an empty database of the test's own."""
    with _database(server.admin, f"pcd_test_{os.getpid()}_empty_{next(_NUMBERS)}") as url:
        yield url


@pytest.fixture
def database_url(server: Server, request: pytest.FixtureRequest) -> Generator[str]:
    """Yield the URL of a migrated, otherwise empty database of the test's own.

    Its tables are watched for a test that asks for the fixture of that name.
    """
    databases = server.watched if "watched" in request.fixturenames else server.migrated
    with databases.borrow() as url:
        yield url


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncGenerator[Database]:
    """Yield a connected, migrated database of the test's own."""
    database = await Database.connect(database_url, pool_size=6, wait=timedelta(seconds=10))
    yield database
    await database.close()


@pytest.fixture
def watched(db: Database) -> Database:
    """Return a database whose tables are empty, loaded and watched."""
    return db


@contextmanager
def _database(admin: str, name: str) -> Generator[str]:
    anyio.run(administer, admin, f'CREATE DATABASE "{name}"')
    try:
        yield at(admin, name)
    finally:
        anyio.run(administer, admin, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _forget_databases() -> None:
    """Drop what this run made on the machine's server."""
    mine = f"datname ~ '^pcd_test_{os.getpid()}_'"
    connection = await asyncpg.connect(_SYSTEM_URL, timeout=5)
    for (name,) in await connection.fetch(f"SELECT datname FROM pg_database WHERE {mine}", timeout=5):
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)', timeout=10)
        await connection.execute(f'DROP ROLE IF EXISTS "writer_of_{name}"', timeout=5)
    await connection.close(timeout=5)


async def _prepare(folder: Path) -> None:
    async with Embedded(folder, settings=_FAST).use(owner=True) as url:
        await _migrate(url)


async def _migrate(url: str) -> None:
    database = await Database.connect(url, pool_size=2, wait=timedelta(seconds=10))
    try:
        await migrate(database)
    finally:
        await database.close()


async def _watch(url: str) -> None:
    """Migrate a database and have every table of it loaded, though empty, and watched."""
    await _migrate(url)
    database = await Database.connect(url, pool_size=2, wait=timedelta(seconds=10))
    try:
        await database.execute(
            "INSERT INTO pcd.cursors (resource, first_load_started_at, first_load_completed_at) "
            "SELECT unnest($1::text[]), now(), now()",
            list(RESOURCES),
        )
        await armer.arm(database, RESOURCES.values())
    finally:
        await database.close()


async def _reaches_system() -> bool:
    try:
        connection = await asyncpg.connect(_SYSTEM_URL, timeout=2)
    except (OSError, asyncpg.PostgresError):
        return False
    version = int(await connection.fetchval("SELECT current_setting('server_version_num')"))
    await connection.close(timeout=5)
    return version >= _OLDEST
