"""What Redis adds, and that nothing but speed is lost with it: real servers, stopped in the middle."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import pytest
from support.redises import RedisServer, redis_server

from pcd.clock import Clock
from pcd.config import Url
from pcd.errors import RateLimited
from pcd.events.channels import Channels
from pcd.events.publisher import STREAM, Publisher
from pcd.ghl.limiter import Limiter as GhlLimiter
from pcd.redis import link as link_module
from pcd.redis.budget import SharedBudget
from pcd.redis.link import Link, RedisGone, connect
from pcd.servicetitan.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio
NUMBERS = count(1)
ROUNDS = int(os.environ.get("PCD_SOAK_ROUNDS", "1"))


@asynccontextmanager
async def linked(server: RedisServer) -> AsyncIterator[Link]:
    async with connect(Url(server.url), clock=Clock()) as link:
        assert link is not None
        yield link


@pytest.fixture
def folder(short_dir: Path) -> Path:
    return short_dir / f"redis-{next(NUMBERS)}"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "_LEFT_ALONE", 0.2)


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a Redis on a busy machine: what goes on without it keeps no common limit."""
    monkeypatch.setattr(link_module, "_WITHIN", 10.0)
    monkeypatch.setattr(link_module, "_ALTOGETHER", 10.0)


async def test_without_a_url_there_is_no_link() -> None:
    async with connect(Url(""), clock=Clock()) as link:
        assert link is None


@pytest.mark.usefixtures("_patient")
async def test_two_processes_share_one_budget(folder: Path) -> None:
    """Each alone would start thirty at once; together they start thirty in each second."""
    async with redis_server(folder) as server, linked(server) as one, linked(server) as other:
        clock = Clock()
        starts: list[float] = []

        async def work(link: Link) -> None:
            budget = SharedBudget(link, "servicetitan:1000", per_second=30)
            limiter = Limiter(per_second=30, clock=clock, shared=budget.claim)
            for _ in range(30):
                async with limiter.slot():
                    starts.append(clock.monotonic())

        async with anyio.create_task_group() as group:
            group.start_soon(work, one)
            group.start_soon(work, other)
    starts.sort()
    assert len(starts) == 60
    for first, last in zip(starts, starts[30:], strict=False):
        assert last - first > 0.97


@pytest.mark.usefixtures("_patient")
async def test_two_processes_share_what_gohighlevel_allows(folder: Path) -> None:
    """Each alone would begin twenty at once; together they begin twenty in each second."""
    async with redis_server(folder) as server, linked(server) as one, linked(server) as other:
        clock = Clock()
        starts: list[float] = []

        async def work(link: Link) -> None:
            budget = SharedBudget(link, "ghl:place", per_second=20)
            limiter = GhlLimiter(
                clock=clock, calls=20, period=timedelta(seconds=1), at_once=20, shared=budget.claim
            )
            for _ in range(20):
                async with limiter.slot():
                    starts.append(clock.monotonic())

        async with anyio.create_task_group() as group:
            group.start_soon(work, one)
            group.start_soon(work, other)
    starts.sort()
    assert len(starts) == 40
    for first, last in zip(starts, starts[20:], strict=False):
        assert last - first > 0.97


@pytest.mark.usefixtures("_patient")
async def test_last_starts_are_left_to_those_that_cannot_wait(folder: Path) -> None:
    async with redis_server(folder) as server, linked(server) as link:
        budget = SharedBudget(link, "ghl:place", per_second=1, seconds=10)
        assert [await budget.claim(leaving=2) for _ in range(8)] == [0] * 8
        assert 0 < await budget.claim(leaving=2) <= 10
        assert [await budget.claim() for _ in range(2)] == [0, 0]
        assert 0 < await budget.claim() <= 10


@pytest.mark.usefixtures("_patient")
async def test_gohighlevel_is_paced_by_each_process_alone_when_redis_goes(folder: Path) -> None:
    async with redis_server(folder) as server, linked(server) as link:
        budget = SharedBudget(link, "ghl:place", per_second=8, seconds=10)
        limiter = GhlLimiter(clock=Clock(), shared=budget.claim)
        began = time.perf_counter()
        for number in range(80):
            if number == 40:
                await server.stop()
            async with limiter.slot():
                pass
        assert time.perf_counter() - began < 10
        assert link.is_gone
        with pytest.raises(RateLimited):
            async with limiter.slot(longest=0.1):
                pass


@pytest.mark.usefixtures("_patient")
async def test_redis_that_goes_in_the_middle_costs_nothing_but_the_sharing(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with redis_server(folder) as server, linked(server) as link:
        budget = SharedBudget(link, "x", per_second=1000)
        limiter = Limiter(per_second=1000, clock=Clock(), shared=budget.claim)

        async def ask(times: int) -> float:
            began = time.perf_counter()
            for _ in range(times):
                async with limiter.slot():
                    pass
            return time.perf_counter() - began

        await ask(50)
        for _ in range(ROUNDS):
            await server.stop()
            assert await ask(50) < 10
            assert link.is_gone
            await server.start()
            with anyio.fail_after(20):
                while link.is_gone:
                    await ask(1)
                    await anyio.sleep(0.02)
    told = [record.getMessage() for record in caplog.records if record.name == "pcd.redis.link"]
    assert len(told) == 2 * ROUNDS
    assert told[0].startswith("redis: does not answer")
    assert told[1] == "redis: answers again"


async def test_frozen_redis_is_not_waited_for(folder: Path) -> None:
    async with redis_server(folder) as server, linked(server) as link:
        budget = SharedBudget(link, "x", per_second=5)
        assert await budget.claim() == 0
        server.signal(signal.SIGSTOP)
        try:
            began = time.perf_counter()
            for _ in range(20):
                assert await budget.claim() == 0
            assert time.perf_counter() - began < 4
            with pytest.raises(RedisGone):
                await link.run(lambda client: client.get("x"))
        finally:
            server.signal(signal.SIGCONT)


async def record(db: Database, *types: str, suppressed: str | None = None) -> None:
    for kind in types:
        await db.execute(
            "INSERT INTO automation.events "
            "(id, type, entity_type, entity_id, payload, occurred_at, suppressed_reason) "
            "VALUES ($1, $2, 'job', 7, '{\"total\": \"12.50\"}', $3, $4)",
            uuid4(),
            kind,
            datetime.now(UTC),
            suppressed,
        )


@asynccontextmanager
async def publishing(link: Link, db: Database) -> AsyncIterator[None]:
    publisher = Publisher(link, db=lambda: db, channels=Channels())
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: publisher.run(task_status=task_status))
        with anyio.fail_after(20):
            while publisher._published < 0:  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)
        yield
        group.cancel_scope.cancel()


async def until_published(server: RedisServer, *types: str) -> None:
    async with server.client() as client:
        with anyio.fail_after(20):
            while (found := [entry["type"] for _, entry in await client.xrange(STREAM)]) != list(types):
                assert len(found) <= len(types), found
                await anyio.sleep(0.02)


@pytest.fixture
def _lively(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcd.events.publisher._LOOK_EVERY", 0.1)
    monkeypatch.setattr("pcd.events.publisher._AGAIN", 0.1)


@pytest.mark.usefixtures("_lively")
async def test_two_publishers_add_nothing_twice_and_nothing_that_was_suppressed(
    db: Database, folder: Path
) -> None:
    await record(db, "long_ago")
    async with redis_server(folder) as server, linked(server) as link:
        async with publishing(link, db), publishing(link, db):
            await record(db, *["job_created"] * 20)
            await record(db, "job_canceled", suppressed="too old")
            await record(db, "job_completed")
            await until_published(server, *["job_created"] * 20, "job_completed")
        async with server.client() as client:
            entry = (await client.xrange(STREAM))[-1][1]
    assert (entry["entity_type"], entry["entity_id"]) == ("job", "7")
    assert entry["payload"] == '{"total":"12.50"}'


@pytest.mark.usefixtures("_lively")
async def test_publishing_goes_on_where_it_stood_when_redis_returns(db: Database, folder: Path) -> None:
    async with redis_server(folder) as server, linked(server) as link, publishing(link, db):
        await record(db, "job_created")
        await until_published(server, "job_created")
        for _ in range(ROUNDS):
            await record(db, "job_completed")
            await server.stop()
            await record(db, "invoice_created")
            await server.start()
            await until_newest(server, "invoice_created")
            await record(db, "invoice_paid")
            types = await until_newest(server, "invoice_paid")
            assert types[-2:] == ["invoice_created", "invoice_paid"]


async def until_newest(server: RedisServer, kind: str) -> list[str]:
    async with server.client() as client:
        with anyio.fail_after(20):
            while True:
                types = [entry["type"] for _, entry in await client.xrange(STREAM)]
                if types[-1:] == [kind]:
                    return types
                await anyio.sleep(0.02)


@pytest.mark.usefixtures("_patient")
async def test_the_machines_own_redis_serves_as_well() -> None:
    async with connect(Url("redis://127.0.0.1:6379"), clock=Clock()) as link:
        assert link is not None
        try:
            await link.run(lambda client: client.ping())
        except RedisGone:
            pytest.skip("no Redis at localhost")
        budget = SharedBudget(link, f"test:{uuid4()}", per_second=3)
        found = [await budget.claim() for _ in range(4)]
    assert found[:3] == [0, 0, 0]
    assert 0 < found[3] <= 1
