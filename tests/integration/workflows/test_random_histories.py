"""Two holders, somebody at the switches, events and deaths in any order: an instance is what a model says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.working import NEW_YORK, definition, working

from pcd.clock import Clock
from pcd.db import queries
from pcd.errors import ControlError
from pcd.workflows.advance import Moment, advance, held
from pcd.workflows.instance import Status
from pcd.workflows.judge import awaits
from pcd.workflows.loader import Loaded
from pcd.workflows.outcome import Await, Blocked, Done, Fail, Postpone, Refuse, Retry, Skip, Stop, Wait
from pcd.workflows.steward import Steward
from pcd.workflows.store import Settlement, Store

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import datetime
    from uuid import UUID

    from pcd.db.pool import Database
    from pcd.workflows.instance import Instance, Transition
    from pcd.workflows.store import Claimed

pytestmark = pytest.mark.asyncio

Step: TypeAlias = "tuple[tuple[str, ...], int, str]"

_SQL = queries.load("pcd.workflows")
SOLD = {"event": "estimate_approved", "within": "2d", "on_timeout": "skip"}
WORKFLOW = definition(
    {"wait_for": SOLD, "retry": {"attempts": 2}, "fallback": {"action": "note"}},
    {"name": "ask", "branches": [{"when": "estimate.status == 'Sold'", "to": "thank"}]},
    {"name": "remind", "wait_for": SOLD, "on_blocked": "drop"},
    {"name": "thank", "retry": {"attempts": 5}},
)
FACTS = {"estimate.status": "Open"}
VERDICTS = (
    "done", "unclear", "skip", "retry", "fail", "unknown", "dispensable", "blocked", "wait", "await",
    "postpone", "refuse", "stop", "held",
)  # fmt: skip
# A whole try is a step as well, with something that happens while it is under way.
TRIES = (("claim", "settle"), ("claim", "wake", "settle"), ("claim", "pause", "settle"))
ALONE = tuple((name,) for name in ("claim", "settle", "wake", "release", "die", "resume", "cancel", "retry"))
STEPS = st.tuples(
    st.sampled_from((*TRIES, *TRIES, *ALONE)),
    st.integers(0, 1),
    st.sampled_from((*VERDICTS, "await", "await")),
)


@dataclass(slots=True)
class Model:
    """What the instance has to be: *claim* is the number of the one that holds, None where none does."""

    status: str = "active"
    step: int = 1
    starts: int = 0
    allowed: int = 3
    claim: int | None = None
    reason: str = ""
    settled: set[int] = field(default_factory=set)

    def become(self, new: Transition, claim: int) -> None:
        """Settle the claim that holds."""
        self.claim, self.step, self.starts = None, new.step, new.starts
        self.allowed = new.starts_allowed or self.allowed
        if self.status != "paused" or new.status not in {Status.ACTIVE, Status.PAUSED}:
            self.status, self.reason = new.status.value, new.reason
        if new.record is not None:
            self.settled.add(claim)


class History:
    """Does one thing after another to the instance *id_*, and to the model."""

    def __init__(self, db: Database, id_: UUID) -> None:
        self._db = db
        self._id = id_
        self._stores = [
            Store(db, holder=holder, lease=timedelta(minutes=5), clock=Clock()) for holder in ("one", "other")
        ]
        self._steward = Steward(db, Loaded(workflows=(WORKFLOW,), failures=()))
        self._claims: list[list[Claimed]] = [[], []]
        self.model = Model()

    async def step(self, name: str, who: int, verdict: str) -> None:
        """Do it, and compare."""
        store = self._stores[who]
        match name:
            case "claim":
                await self._claim(store, self._claims[who])
            case "settle" if self._claims[who]:
                await self._settle(store, self._claims[who].pop(0), verdict)
            case "release" if self._claims[who]:
                await self._release(store, self._claims[who].pop(0))
            case "die":
                await self._die(store)
            case "wake":
                await self._db.execute(_SQL["wake"], ["estimate_approved"], ["estimate"], [1], [7])
            case "pause" | "resume" | "retry":
                await self._command(name)
            case "cancel" if verdict == "stop":
                await self._command(name)
        await self.compare()

    async def _command(self, name: str) -> None:
        model, was, id_ = self.model, self.model.status, str(self._id)
        match name:
            case "pause":
                assert await _obeyed(self._steward.pause(id_, reason="wait")) == (was == "active")
                model.status, model.reason = ("paused", "wait") if was == "active" else (was, model.reason)
            case "resume":
                assert await _obeyed(self._steward.resume(id_)) == (was == "paused")
                model.status = "active" if was == "paused" else was
            case "retry":
                assert await _obeyed(self._steward.retry(id_)) == (was == "failed")
                model.status, model.starts = ("active", 0) if was == "failed" else (was, model.starts)
            case _:
                is_live = was in {"active", "paused"}
                assert await _obeyed(self._steward.cancel(id_, reason="enough")) == is_live
                if is_live:
                    model.status, model.claim = "stopped", None

    async def _claim(self, store: Store, claims: list[Claimed]) -> None:
        await self._db.execute(
            "UPDATE automation.workflow_instances SET due_at = now() WHERE due_at IS NOT NULL"
        )
        found = await store.claim(5)
        if not found and (suspect := await store.claim_suspect()):
            found = [suspect]
        assert len(found) == (self.model.status == "active" and self.model.claim is None)
        for one in found:
            self.model.claim, self.model.starts = one.instance.attempt, self.model.starts + 1
            claims.append(one)

    async def _settle(self, store: Store, claimed: Claimed, verdict: str) -> None:
        instance = claimed.instance
        new = transition(instance, verdict, claimed.claimed_at)
        one = Settlement(instance=instance, transition=new, began_at=claimed.claimed_at)
        is_ours = self.model.claim == instance.attempt
        assert await store.settle([one]) == ({self._id} if is_ours else set())
        if is_ours:
            self.model.become(new, instance.attempt)

    async def _release(self, store: Store, claimed: Claimed) -> None:
        await store.release([claimed.instance])
        if self.model.claim == claimed.instance.attempt:
            self.model.claim, self.model.starts = None, self.model.starts - 1

    async def _die(self, store: Store) -> None:
        await self._db.execute(
            "UPDATE automation.workflow_instances SET lease_until = now() - interval '1 s' "
            "WHERE lease_until IS NOT NULL"
        )
        model = self.model
        rescued = await store.rescue(5)
        assert len(rescued) == (model.claim is not None)
        for one in rescued:
            assert one.is_spent == (model.starts >= model.allowed and model.status == "active")
            model.claim = None
            if one.is_spent:
                model.status = "failed"

    async def compare(self) -> None:
        """Compare the row with the model."""
        row = await self._db.fetchrow("SELECT * FROM automation.workflow_instances WHERE id = $1", self._id)
        assert row is not None
        model = self.model
        seen = (row["status"], row["current_step"] + 1, row["starts"], row["lease_until"] is None)
        assert seen == (model.status, model.step, model.starts, model.claim is None)
        if model.status == "paused":
            assert (row["reason"] or "") == model.reason
        sql = "SELECT attempt FROM automation.workflow_step_executions WHERE status NOT IN ('late', 'lost')"
        assert sorted(one["attempt"] for one in await self._db.fetch(sql)) == sorted(model.settled)


async def _obeyed(command: Awaitable[str]) -> bool:
    """Return whether *command* was carried out, not refused."""
    try:
        await command
    except ControlError:
        return False
    return True


def transition(instance: Instance, verdict: str, now: datetime) -> Transition:
    if verdict == "held":
        return held(instance, reason="gone")
    step = WORKFLOW.step(instance.step)
    awaited = awaits(instance, step.wait_for) if step and step.wait_for else None
    later = now + timedelta(hours=1)
    verdicts: dict[str, Any] = {
        "done": Done(messages=1, context={"a": 1}),
        "unclear": Done(),
        "skip": Skip(reason="no"),
        "retry": Retry(error="engaged"),
        "fail": Fail(error="no"),
        "unknown": Fail(error="perhaps", is_unknown=True),
        "dispensable": Fail(error="nobody", is_dispensable=True),
        "blocked": Blocked(reason="quiet", until=later),
        "wait": Wait(until=later, reason="waits"),
        "await": awaited and Await(event=awaited.event, since=awaited.since, until=awaited.until),
        "postpone": Postpone(until=later),
        "refuse": Refuse(error="what"),
        "stop": Stop(reason="sold"),
    }
    moment = Moment(now=now, zone=NEW_YORK, facts={} if verdict == "unclear" else FACTS)
    if verdict != "await":
        instance = replace(instance, awaited=awaited)
    return advance(instance, WORKFLOW, verdicts[verdict] or Done(), moment)


@pytest.mark.timeout(180)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=15, max_size=50))
async def test_instance_is_what_the_model_says_after_any_history(db: Database, steps: list[Step]) -> None:
    """A claim that was lost changes nothing, a pause holds, and no statement is refused."""
    await db.execute("TRUNCATE automation.workflow_instances CASCADE")
    work = await working(db, WORKFLOW)
    history = History(db, await work.begin(entity_id=1))
    for names, who, verdict in steps:
        for name in names:
            await history.step(name, who, verdict)
