"""The HTTP face, over real sockets."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pcd.clock import Clock
from pcd.config import Secret
from pcd.control.status import About, StatusReader
from pcd.errors import ConfigError, StoreUnreachable
from pcd.supervisor import State, Supervisor
from pcd.tables import RESOURCES
from pcd.telemetry.metrics import Metrics
from pcd.web.server import WebServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskStatus

    from pcd.db.pool import Database
    from pcd.supervisor import Service

pytestmark = pytest.mark.asyncio


class Toy:
    """A service that is ready at once, or broken."""

    def __init__(self, name: str, *, error: Exception | None = None) -> None:
        self.name = name
        self._error = error

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        if self._error:
            raise self._error
        task_status.started()
        await anyio.sleep_forever()


@asynccontextmanager
async def serving(
    db: Database | None, *others: Toy, token: str = "", port: int = 0
) -> AsyncIterator[tuple[aiohttp.ClientSession, Supervisor]]:
    def find_database() -> Database:
        if db is None:
            raise StoreUnreachable("waiting for the database")
        return db

    clock = Clock()
    supervisor = Supervisor(clock)
    about = About(version="1.2.3", pid=1, started_at=clock.now(), database="embedded PostgreSQL", config="")
    status = StatusReader(
        supervisor,
        about=about,
        db=find_database,
        live=lambda: {"http": "", "under_way": None},
        resources=RESOURCES,
        clock=clock,
    )
    web = WebServer("127.0.0.1", port, token=Secret(token), status=status, metrics=Metrics())
    services: tuple[Service, ...] = (web, *others)
    for service in services:
        supervisor.add(service)
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run, stop)
        for service in services:
            await supervisor.wait_for(service.name, State.RUNNING, State.DEGRADED)
        async with aiohttp.ClientSession(web.address or "http://127.0.0.1:1/") as session:
            yield session, supervisor
        stop.set()


async def _get(session: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with session.get(path) as response:
        return response.status, await response.text()


async def test_healthy_daemon_says_so(db: Database) -> None:
    async with serving(db, Toy("database")) as (session, _):
        assert await _get(session, "/health") == (200, '{"status":"ok","troubles":[]}')
        assert await _get(session, "/ready") == (200, '{"ready":true}')
        status, text = await _get(session, "/health/detailed")
        assert status == 200
        assert '"name":"customers"' in text
        status, page = await _get(session, "/")
        assert status == 200
        assert "customers" in page


async def test_broken_service_makes_the_daemon_unhealthy_but_not_silent(db: Database) -> None:
    sick = Toy("sync", error=ConfigError("servicetitan.client_id: not set"))
    async with serving(db, Toy("database"), sick) as (session, _):
        status, text = await _get(session, "/health")
        assert status == 503
        assert "sync: servicetitan.client_id: not set" in text
        assert (await _get(session, "/ready"))[0] == 200
        assert "servicetitan.client_id: not set" in (await _get(session, "/"))[1]


async def test_without_a_database_everything_still_answers() -> None:
    away = Toy("database", error=ConfigError("database.url: PostgreSQL refuses us"))
    async with serving(None, away) as (session, _):
        for path, expected in {"/health": 503, "/ready": 503, "/": 200, "/metrics": 200}.items():
            assert (await _get(session, path))[0] == expected
        assert "waiting for the database" in (await _get(session, "/health/detailed"))[1]


async def test_kubernetes_does_not_kill_a_daemon_that_waits_for_its_database() -> None:
    """Killed, it would have to wait from the start, and longer after each time."""
    root = anyio.Path(Path(__file__).parents[3])
    objects = await (root / "deploy" / "kubernetes" / "pcd.yaml").read_text()
    probes = re.findall(r"(startup|liveness)Probe:\n +httpGet: {path: (\S+),", objects)
    assert [kind for kind, _ in probes] == ["startup", "liveness"]
    async with serving(None, Toy("database", error=ConfigError("database.url: refused"))) as (session, _):
        for _, path in probes:
            assert (await _get(session, path))[0] == 200


async def test_metrics_are_prometheus_text(db: Database) -> None:
    async with serving(db, Toy("database")) as (session, _), session.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = {family.name for family in text_string_to_metric_families(await response.text())}
        assert {"pcd_database_up", "pcd_sync_records", "process_resident_memory_bytes"} <= families


@pytest.mark.parametrize(
    ("configured", "given", "expected"),
    [
        pytest.param("", "", 401, id="no token configured"),
        pytest.param("right-token", "", 401, id="none given"),
        pytest.param("right-token", "Bearer wrong-token", 401, id="wrong"),
        pytest.param("right-token", "Bearer right-token", 405, id="right, but nothing can be changed yet"),
    ],
)
async def test_change_needs_the_token(db: Database, configured: str, given: str, expected: int) -> None:
    async with (
        serving(db, Toy("database"), token=configured) as (session, _),
        session.post("/health", headers={"Authorization": given}) as response,
    ):
        assert response.status == expected


async def test_answers_forbid_scripts_and_caching(db: Database) -> None:
    async with serving(db, Toy("database")) as (session, _), session.get("/") as response:
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert response.headers["Cache-Control"] == "no-store"


async def test_taken_port_is_named() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port: Any = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, serving(None, port=port) as (_, supervisor):
        detail = supervisor.snapshot()[0].detail
    assert detail == (
        f"daemon.http_port: cannot listen on 127.0.0.1:{port} (Address already in use); "
        "stop what listens there or choose another port"
    )
