"""What keeps data away is told as trouble, not only what crashes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.proxy import Proxy

from pcd.clock import Clock
from pcd.control.status import About, StatusReader
from pcd.db.pool import Database
from pcd.supervisor import State, Supervisor
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskStatus

pytestmark = pytest.mark.asyncio

_LOG = """
INSERT INTO servicetitan.st_sync_log
    (module, sync_type, status, started_at, completed_at, records_fetched, error_message, triggered_by)
VALUES ($1, 'incremental', $2, now() - $3::interval, now(), 3, $4, 'schedule')
"""


class _Toy:
    name = "database"

    def __init__(self, state: State) -> None:
        self._state = state

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        if self._state is State.RUNNING:
            task_status.started()
        await anyio.sleep_forever()


@asynccontextmanager
async def reading(
    db: Database, *, while_it_is: State = State.RUNNING, **live: object
) -> AsyncIterator[StatusReader]:
    clock = Clock()
    supervisor = Supervisor(clock)
    supervisor.add(_Toy(while_it_is))
    stop = anyio.Event()
    about = About(version="1", pid=1, started_at=clock.now(), database="embedded PostgreSQL", config="")
    known: dict[str, Any] = {"http": "", "under_way": None, "upstream_trouble": ""}
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run, stop)
        await supervisor.wait_for("database", while_it_is)
        yield StatusReader(
            supervisor,
            about=about,
            db=lambda: db,
            live=lambda: known | live,
            resources=RESOURCES,
            clock=clock,
        )
        stop.set()


async def test_tables_that_are_not_made_yet_are_no_call_for_a_person(empty_database_url: str) -> None:
    db = await Database.connect(empty_database_url, pool_size=1)
    try:
        async with reading(db, while_it_is=State.STARTING) as status:
            assert (await status.read())["database_trouble"] == "it is being set up"
        async with reading(db) as status:
            assert "run `pcd db migrate`" in (await status.read())["database_trouble"]
    finally:
        await db.close()


async def _log(db: Database, module: str, status: str, error: str | None = None, *, minutes: int = 1) -> None:
    await db.execute(_LOG, module, status, timedelta(minutes=minutes), error)


async def test_servicetitan_that_does_not_answer_is_trouble(db: Database) -> None:
    async with reading(db, upstream_trouble="servicetitan: no good answer for 60 s") as status:
        read = await status.read()
    assert read["health"] == "degraded"
    assert read["troubles"] == ["servicetitan: no good answer for 60 s"]


async def test_resources_whose_last_sync_failed_are_trouble_but_not_all_are_listed(db: Database) -> None:
    for name in ("calls", "customers", "jobs", "leads", "payments"):
        await _log(db, name, "failed", "the app lacks the scope")
    await _log(db, "estimates", "failed", "cured since", minutes=9)
    await _log(db, "estimates", "completed")
    async with reading(db) as status:
        troubles = (await status.read())["troubles"]
    assert len(troubles) == 4
    assert troubles[0].endswith(": the last sync failed: the app lacks the scope")
    assert troubles[-1] == "the last sync failed for 2 more resources"


async def test_rows_are_told_as_the_sync_that_they_were_part_of(db: Database) -> None:
    for name in ("calls", "customers"):
        await _log(db, name, "completed")
    await _log(db, "jobs", "started")
    async with reading(db) as status:
        (sync,) = (await status.read())["passes"]
    assert (sync["resources"], sync["records_fetched"], sync["status"]) == (3, 9, "interrupted")


async def test_custom_field_types_are_counted_apart(db: Database) -> None:
    """They share a table."""
    await db.execute(
        "INSERT INTO servicetitan.st_custom_fields (st_id, tenant_id, entity_type, full_data)"
        " VALUES (1, 1, 'job', '{}'), (2, 1, 'job', '{}'), (3, 1, 'customer', '{}')"
    )
    async with reading(db) as status:
        rows = {each["name"]: each["rows"] for each in (await status.read())["resources"]}
    assert (rows["custom_fields_jobs"], rows["custom_fields_customers"], rows["custom_fields_invoices"]) == (
        2,
        1,
        0,
    )


async def test_who_is_content_with_what_is_known_does_not_wait_for_the_database(db: Database) -> None:
    async with Proxy(db.url).serve() as proxy:
        away = await Database.connect(proxy.url)
        async with reading(away) as status, anyio.create_task_group() as group:
            await status.refresh()
            proxy.freeze()
            group.start_soon(partial(status.refresh, not_older_than=0))
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(5):
                await status.refresh(not_older_than=60)
            group.cancel_scope.cancel()
            proxy.thaw()
        await away.close()
