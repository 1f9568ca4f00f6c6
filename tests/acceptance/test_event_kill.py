"""kill -9 of the recorder, or of PostgreSQL, while others write: what is told is what the model expects."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from support.detecting import detecting, upsert, watch
from support.expecting import MODELLED, Model, Told
from support.histories import draw
from support.program import started, write_config

from pcd.db.pool import Database

if TYPE_CHECKING:
    from pathlib import Path

    from support.servers import OwnServer

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("PCD_SOAK_ROUNDS", "5"))
IDS = 40
NOWHERE = "http://127.0.0.1:9"
# The program needs a second to start and another one until the dead one's lease has expired.
EARLIEST, LATEST = 1.5, 3.0


async def test_events_are_told_once_whenever_the_recorder_is_killed(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    """Changes are written all the while; nothing is lost and nothing told twice."""
    await watch(db)
    model, chance, output = Model(), random.Random(ROUNDS), tmp_path / "output.log"
    config = write_config(tmp_path, database_url=database_url, servicetitan_url=NOWHERE)
    for number in range(ROUNDS):
        async with (
            started(config, "run", "--only", "events", output=output) as process,
            anyio.create_task_group() as writers,
        ):
            writers.start_soon(partial(_write_on, db, model, chance, pause=0.01))
            if number % 2 == 0:  # the others may be killed before they begin
                await _until_recording(db)
            await anyio.sleep(chance.uniform(0, LATEST))
            process.kill()
            writers.cancel_scope.cancel()
    assert await _told(db) == expected(model)


async def test_events_are_told_once_however_often_the_database_crashes(
    own_server: OwnServer, tmp_path: Path
) -> None:
    """What the recorder had not yet on the disk is undone together with the changes' leaving the outbox."""
    model, chance, output = Model(), random.Random(ROUNDS), tmp_path / "output.log"
    config = write_config(tmp_path, database_url=own_server.url, servicetitan_url=NOWHERE)
    db = await Database.connect(own_server.url, wait=timedelta(seconds=10))
    await watch(db)
    async with started(config, "run", "--only", "events", output=output):
        for _ in range(ROUNDS):
            with anyio.move_on_after(chance.uniform(EARLIEST, LATEST)):
                await _write_on(db, model, chance, pause=0)
            await db.close()
            await own_server.restart()
            db = await Database.connect(own_server.url, wait=timedelta(seconds=10))
        recorded = await db.fetchval("SELECT count(*) FROM automation.events")
    assert recorded > 0, output.read_text()
    assert await _told(db) == expected(model)
    await db.close()


def expected(model: Model) -> dict[tuple[str, int], list[Told]]:
    """Return what *model* expects of entities to which anything happened."""
    return {entity: events for entity, events in model.events.items() if events}


async def _until_recording(db: Database) -> None:
    before = await db.fetchval("SELECT count(*) FROM automation.events")
    with anyio.fail_after(60):
        while True:
            if await db.fetchval("SELECT count(*) FROM automation.events") > before:
                return
            await anyio.sleep(0.05)


async def _told(db: Database) -> dict[tuple[str, int], list[Told]]:
    """Let a last recorder read what is left, and return all that was told."""
    told = defaultdict(list)
    async with detecting(db, watched=False) as detection:
        for event in await detection.events(*MODELLED):
            told[event["entity_type"], event["entity_id"]].append(Told(event["type"], event["ordinal"]))
    return dict(told)


async def _write_on(db: Database, model: Model, chance: random.Random, *, pause: float) -> None:
    while True:
        resource, st_id, state = draw(chance, ids=IDS)
        # Whole: the model must know of a row if and only if it was written.
        with anyio.CancelScope(shield=True):
            await db.execute(*upsert(resource, st_id, **state))
            model.commit(resource, st_id, state)
        await anyio.sleep(chance.uniform(0, pause))
