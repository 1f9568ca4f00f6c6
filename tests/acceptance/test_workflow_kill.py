"""kill -9 of those that take steps, at every point: what the providers got is what the model allows.

Short by default; PCD_SOAK_ROUNDS is how many processes are killed (50 for a thousand instances).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from support.dying_worker import LEFT, POINTS, work_until_death
from support.working import definition, working

from pcd.sim.providers import open_providers

if TYPE_CHECKING:
    from uuid import UUID

    from pcd.db.pool import Database
    from pcd.sim.providers import Providers

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(1800)]

ROUNDS = int(os.environ.get("PCD_SOAK_ROUNDS", "4"))
INSTANCES = 20 * ROUNDS
WITHIN = timedelta(seconds=60 + INSTANCES / 5)
FLOW = definition(
    {"action": "post_webhook", "with": {"webhook": "n8n"}, "retry": {"attempts": 20, "first": "1s"}},
    {"action": "send_sms", "with": {"text": "Hello."}, "retry": {"attempts": 20, "first": "1s"}},
    {"action": "post_webhook", "with": {"webhook": "n8n"}, "retry": {"attempts": 20, "first": "1s"}},
    name="flow",
)
CUSTOMERS = """INSERT INTO servicetitan.st_customers (st_id, tenant_id, name, phone, full_data)
SELECT n, 1000, 'Heron Court ' || n, '(813) 234-' || lpad(n::text, 4, '0'), '{}'
FROM generate_series(1, $1::integer) AS n"""


async def test_effects_are_what_the_model_allows_whenever_processes_are_killed(db: Database) -> None:
    """No message twice, everything else effectively once, and no instance lost."""
    chance = random.Random(ROUNDS)
    await db.execute(CUSTOMERS, INSTANCES)
    work = await working(db, FLOW)
    ids = await work.begin_many(INSTANCES)
    async with open_providers() as providers:
        for _, point in zip(range(ROUNDS), cycle(POINTS), strict=False):
            after = chance.randint(2, 12)
            await work_until_death(db, providers.url, point, after=after, within=WITHIN)
        left = await db.fetchval(LEFT)
        await work_until_death(db, providers.url, "", after=0, within=WITHIN)
        assert left > 0, "nothing was left for the last process"
        await _check(db, providers, ids)


async def _check(db: Database, providers: Providers, ids: list[UUID]) -> None:
    """Compare what arrived with what each instance says of itself."""
    rows = await db.fetch(
        "SELECT id, entity_id, status, stopped_reason FROM automation.workflow_instances WHERE id = ANY($1)",
        ids,
    )
    texts = Counter(text.to for text in providers.received.texts)
    posted = {posting.headers["Idempotency-Key"] for posting in providers.received.hooks}
    ends = Counter(row["status"] for row in rows)
    assert len(rows) == INSTANCES
    assert set(ends) <= {"completed", "failed"}
    assert max(texts.values()) == 1
    assert ends["failed"] <= 10 * ROUNDS
    expected = set()
    for row in rows:
        is_complete = row["status"] == "completed"
        expected |= {f"{row['id']}:1", f"{row['id']}:3"} if is_complete else {f"{row['id']}:1"}
        sent = texts[f"+1813234{row['entity_id']:04}"]
        assert sent == 1 or not is_complete
        assert is_complete or "may have gone out" in row["stopped_reason"], row["stopped_reason"]
    assert posted == expected
