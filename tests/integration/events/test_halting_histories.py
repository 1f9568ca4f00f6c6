"""A rule that breaks and is mended again and again: in the end it has told what a sound one would have."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.detecting import detecting

from pcd.clock import Clock
from pcd.events.event import Becomes
from pcd.events.recorder import Recorder
from pcd.events.rules import RULES

if TYPE_CHECKING:
    from support.detecting import Detection

    from pcd.changes.change import State
    from pcd.db.pool import Database
    from pcd.events.event import EventRule, Surroundings

pytestmark = pytest.mark.asyncio

Step: TypeAlias = "tuple[str, int, str | None, str]"

STEPS = st.one_of(
    st.tuples(
        st.just("write"),
        st.integers(1, 3),
        st.sampled_from(("Open", "Sold", "Sold", "Dismissed", None)),
        st.sampled_from(("Fine", "Fine", "Boom")),
    ),
    st.tuples(
        st.sampled_from(("drain", "retry", "break", "mend", "restart")), *[st.just(0), st.none(), st.just("")]
    ),
)


@dataclass(slots=True)
class History:
    """What was written, and whether the rule raises on an estimate named Boom at present."""

    is_broken: bool = True
    statuses: dict[int, list[str]] = field(default_factory=dict)

    def is_sold(self, state: State, _: Surroundings) -> bool:
        """Return what the rule asks; raises where it is broken."""
        if self.is_broken and state.get("name") == "Boom":
            raise RuntimeError("a bug")
        return state.get("status") == "Sold"

    def told(self, status: str) -> dict[int, int]:
        """Return how often each estimate came to be in *status*; without one it stays what it was."""
        return {
            st_id: count
            for st_id, seen in self.statuses.items()
            if (count := sum(now == status != was for was, now in zip([None, *seen], seen, strict=False)))
        }

    async def step(self, detection: Detection, name: str, st_id: int, status: str | None, title: str) -> None:
        """Do one thing."""
        match name:
            case "write":
                columns = {"status": status, "name": title, "total": 5, "customer_id": 7}
                await detection.write("estimates", st_id, **columns)
                self.statuses.setdefault(st_id, []).extend([status] if status else [])
            case "drain":
                await detection.recorder.drain()
            case "retry":
                await detection.recorder.retry()
            case "restart":
                detection.recorder = Recorder(
                    detection.db,
                    lease=detection.lease,
                    settings=detection.settings,
                    channels=detection.channels,
                    clock=Clock(),
                    rules=self.rules,
                )
                await detection.recorder.prepare()
            case _:
                self.is_broken = name == "break"

    @property
    def rules(self) -> dict[str, EventRule]:
        """All rules, that of a sale as this history has it."""
        return {
            **RULES,
            "estimate_approved": replace(RULES["estimate_approved"], when=Becomes(test=self.is_sold)),
        }


async def counts(detection: Detection, type_: str) -> dict[int, int]:
    found: dict[int, int] = {}
    for event in await detection.events(type_):
        found[event["entity_id"]] = found.get(event["entity_id"], 0) + 1
        assert event["ordinal"] == found[event["entity_id"]]
    return found


@pytest.mark.timeout(180)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=10, max_size=40))
async def test_rule_that_was_halted_at_times_tells_all_in_the_end(db: Database, steps: list[Step]) -> None:
    """Each sale once, however often it was broken off; and nobody else waited for it."""
    await db.execute(
        "TRUNCATE servicetitan.st_estimates, pcd.outbox, pcd.change_log, pcd.departed, pcd.due, pcd.parked, "
        "pcd.halted_rules, automation.events, automation.event_keys, pcd.incomplete_events"
    )
    await db.execute("TRUNCATE pcd.outbox, pcd.departed")
    history = History()
    async with detecting(db, rules=history.rules) as detection:
        for step in steps:
            await history.step(detection, *step)
        assert await counts(detection, "estimate_rejected") == history.told("Dismissed")
        history.is_broken = False
        await detection.recorder.retry()
        assert await counts(detection, "estimate_approved") == history.told("Sold")
        assert await db.fetchval("SELECT count(*) FROM pcd.halted_rules") == 0
