"""Takes one step of a claimed instance: judges it by fresh facts, performs it, says what follows."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import msgspec

from pcd.errors import ConditionError, DefinitionError, StoreError
from pcd.telemetry.log import context
from pcd.workflows.action import StepCall
from pcd.workflows.advance import Moment, advance, held
from pcd.workflows.classify import classify
from pcd.workflows.judge import Situation, awaits, judge, stops
from pcd.workflows.lookup import Lookup
from pcd.workflows.outcome import Await, Fail, Retry, Stop
from pcd.workflows.store import Settlement
from pcd.workflows.workflow import Until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from pcd.clock import Clock
    from pcd.workflows.action import Action
    from pcd.workflows.facts.reader import FactReader
    from pcd.workflows.instance import Awaited, Instance
    from pcd.workflows.outcome import Outcome, Verdict
    from pcd.workflows.store import Claimed, Store
    from pcd.workflows.workflow import Step, Workflow

_PAUSE = 0.5


class Versions(Protocol):
    """Where the definition of a running instance comes from."""

    async def version(self, name: str, version: str) -> Workflow:
        """Return the workflow as it was when the instance started; raises DefinitionError."""


@dataclass(slots=True, kw_only=True)
class _Try:
    """One claim that is worked off; *action* and *input* are what was performed, if it came to that.

    *awaited* is what its step waits for, as soon as it is certain that the wait has begun.
    """

    claimed: Claimed
    workflow: Workflow
    step: Step
    facts: Lookup
    action: str = ""
    input: Mapping[str, Any] | None = field(default=None)
    awaited: Awaited | None = None

    @property
    def instance(self) -> Instance:
        return self.claimed.instance


class Performer:
    """Takes steps with *actions*; *passing* is told the points at which a test may want to die."""

    def __init__(  # noqa: PLR0913 - one keyword each for what it works with
        self,
        *,
        store: Store,
        versions: Versions,
        actions: Mapping[str, Action],
        reader: FactReader,
        zone: ZoneInfo,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
        passing: Callable[[str], None] = lambda _point: None,
    ) -> None:
        self._store = store
        self._versions = versions
        self._actions = actions
        self._reader = reader
        self._zone = zone
        self._clock = clock
        self._jitter = jitter
        self._passing = passing

    async def take(self, claimed: Claimed) -> Settlement:
        """Return what the step of *claimed* came to. Raises StoreError when not even that can be said."""
        instance, began = claimed.instance, self._clock.monotonic()
        try:
            workflow = await self._versions.version(instance.workflow, instance.version)
        except DefinitionError as error:
            transition = held(instance, reason=str(error))
            return Settlement(instance=instance, transition=transition, began_at=claimed.claimed_at)
        step = workflow.step(instance.step) or workflow.steps[-1]
        facts = Lookup(instance, db=self._store.db, reader=self._reader)
        trying = _Try(claimed=claimed, workflow=workflow, step=step, facts=facts, awaited=instance.awaited)
        with context(instance=str(instance.id), trace=instance.event_id.hex):
            try:
                verdict = await self._judge(trying) or await self._perform(trying)
            except Exception as error:  # noqa: BLE001 - a step may break in any way; this is where that ends
                verdict = classify(error)
        if not isinstance(verdict, Await):
            # Another try looks from the same instant on: what had come by then would be missed otherwise.
            instance = replace(instance, awaited=trying.awaited)
        moment = Moment(
            now=self._now(claimed),
            zone=self._zone,
            jitter=self._jitter(),
            facts=await self._facts_after(trying),
        )
        return Settlement(
            instance=claimed.instance,
            transition=advance(instance, workflow, verdict, moment),
            began_at=claimed.claimed_at,
            seconds=self._clock.monotonic() - began,
            step_name=step.name,
            action=trying.action,
            input=trying.input,
        )

    async def _facts_after(self, trying: _Try) -> Mapping[str, Any]:
        """Return what the branches ask for; tries until the claim is lost, for the step has been done."""
        while True:
            try:
                return await trying.facts.read_again(trying.workflow.facts_after(trying.step))
            except ConditionError:
                # Without it the branch cannot be judged, which says why.
                return {}
            except StoreError:
                await anyio.sleep(_PAUSE)

    async def _judge(self, trying: _Try) -> Verdict | None:
        """Return why the step is not to be performed, None where it is."""
        instance, step = trying.instance, trying.step
        awaited = awaits(instance, step.wait_for) if step.wait_for else None
        if not isinstance(step.delay.wait, Until):
            trying.awaited = awaited
        facts = await trying.facts.read(trying.workflow.facts_before(step))
        arrivals = await self._store.arrivals(instance, awaited) if awaited else []
        situation = Situation(self._now(trying.claimed), self._zone, facts, arrivals)
        verdict = judge(instance, trying.workflow, step, situation)
        if verdict is None:
            trying.awaited = awaited
        return verdict

    async def _perform(self, trying: _Try) -> Outcome:
        instance, step = trying.instance, trying.step
        instead = step.fallback if instance.is_fallback else None
        trying.action = instead.action if instead else step.action
        trying.input = instead.parameters if instead else step.parameters
        action = self._actions.get(trying.action)
        if action is None:
            return Fail(error=f"there is no action {trying.action!r} here")
        try:
            # As leniently as it was validated.
            parameters = msgspec.convert(trying.input, action.parameters, strict=False)
        except msgspec.ValidationError as error:
            return Fail(error=f"{trying.action}: {error}")
        call = self._call(trying, parameters)
        with anyio.move_on_after(step.timeout.total_seconds()):
            outcome = await action.perform(call)
            self._passing("after call")
            return outcome
        return Retry(error=f"it did not end within {step.timeout.total_seconds():g} s")

    def _call(self, trying: _Try, parameters: msgspec.Struct) -> StepCall:
        instance = trying.instance

        async def still_allowed() -> str:
            return await self._why_not(trying)

        return StepCall(
            instance_id=instance.id,
            workflow=instance.workflow,
            step=instance.step,
            attempt=instance.starts,
            idempotency_key=f"{instance.id}:{instance.step}{':fallback' if instance.is_fallback else ''}",
            parameters=parameters,
            facts=trying.facts,
            customer_id=instance.customer_id,
            entity_type=instance.entity_type,
            entity_id=instance.entity_id,
            event_id=instance.event_id,
            context=instance.context,
            on_blocked=trying.step.on_blocked,
            waited_until=instance.waited_until,
            still_allowed=still_allowed,
        )

    async def _why_not(self, trying: _Try) -> str:
        if not await self._store.still_ours(trying.instance):
            return "the instance was stopped, paused or taken over meanwhile"
        facts = await trying.facts.read_again(trying.workflow.facts_before(trying.step))
        match stops(trying.workflow, facts):
            case None:
                return ""
            case Stop(reason=reason):
                return reason
            case refused:
                return refused.error

    def _now(self, claimed: Claimed) -> datetime:
        """Return the database's time, by which due times are compared."""
        return claimed.claimed_at + timedelta(seconds=self._clock.monotonic() - claimed.asked_at)
