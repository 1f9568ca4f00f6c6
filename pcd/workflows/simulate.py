"""Play a workflow against a simulated clock: what it would do, when, and why not. Pure.

The same `judge` and `advance` decide as in the engine; what an action would do is told by a `Stage`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

from pcd.errors import ConditionError
from pcd.events.rules import RULES
from pcd.workflows.advance import Moment, advance, first_due
from pcd.workflows.classify import classify
from pcd.workflows.facts.catalogue import FACTS
from pcd.workflows.facts.fact import Around
from pcd.workflows.facts.names import is_carried, is_open
from pcd.workflows.facts.resolve import carried, needed, resolve
from pcd.workflows.instance import Instance, Status, StepStatus
from pcd.workflows.judge import Situation, awaits, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from pcd.workflows.conditions.condition import Value
    from pcd.workflows.facts.fact import Subject
    from pcd.workflows.instance import Awaited, Transition
    from pcd.workflows.outcome import Outcome, Verdict
    from pcd.workflows.workflow import Step, Workflow

MOST_TURNS = 2000
"""How often a simulated instance is looked at before it is given up: a definition only leads forward."""

_NOBODY = UUID(int=0)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Past(NamedTuple):
    """An event that was recorded *at* that instant."""

    at: datetime
    type: str
    entity_type: str
    entity_id: int
    customer_id: int | None
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What can be known while time passes.

    *found* is what the database holds at the *present*. Before it, the entity's own columns are taken from
    the last of its events in *history* (ordered), which tell what they were then; the rest is as it is now.
    *given* facts are what somebody said they are, at any time.
    """

    subject: Subject
    found: Mapping[str, Value]
    present: datetime
    zone: ZoneInfo
    business: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    history: tuple[Past, ...] = ()
    given: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)

    def facts(self, names: Iterable[str], at: datetime, instance: Instance) -> dict[str, Value]:
        """Return the facts in *names* as they are *at* that instant."""
        wanted = frozenset(names)
        told = {
            "message_count": instance.message_count,
            "name": instance.workflow,
            "started_at": instance.started_at,
        }
        subject = replace(self.subject, told=told, context=instance.context)
        found = {**self.found, **self._then(wanted, at), **self.given}
        around = Around(now=at, zone=self.zone)
        return resolve(wanted, found, subject, business=self.business, around=around) | {
            name: self.given[name] for name in wanted if name in self.given
        }

    def arrivals(self, awaited: Awaited, until: datetime) -> Iterator[Past]:
        """Yield the events in *history* that a step waits for, up to *until*."""
        mine = (self.subject.entity_type, self.subject.entity_id)
        for past in self.history:
            if past.type == awaited.event and awaited.since <= past.at <= min(until, awaited.until):
                about = (past.entity_type, past.entity_id) == mine
                if about if awaited.of == "entity" else past.customer_id == self.subject.customer_id:
                    yield past

    def _then(self, names: Iterable[str], at: datetime) -> dict[str, Value]:
        """Return the entity's own columns as they were *at* an instant before the present."""
        if at >= self.present:
            return {}
        mine = (self.subject.entity_type, self.subject.entity_id)
        last = next(
            (
                past
                for past in reversed(self.history)
                if past.at <= at
                and (past.entity_type, past.entity_id) == mine
                and RULES[past.type].row == self.subject.entity_type
            ),
            None,
        )
        if last is None:
            return {}
        rule = RULES[last.type]
        own = [
            name
            for name in needed(names)
            if not is_open(name) and is_carried(name, rule) and not name.startswith("customer.")
        ]
        return carried(last.type, last.payload, own)


class Played(NamedTuple):
    """What a step would come to, and *told* in words: the rendered message, or what it would do."""

    outcome: Outcome
    told: str


class Stage(Protocol):
    """Tells what actions would do, without doing it."""

    def facts_for(self, action: str, parameters: Mapping[str, Any]) -> frozenset[str]:
        """Return the facts that the action's texts mention."""

    def play(
        self, action: str, parameters: Mapping[str, Any], facts: Mapping[str, Value], turn: Turn
    ) -> Played:
        """Return what the action would come to."""


class Turn(NamedTuple):
    """When an action is played; *waited_until* is what it asked for, *sent_at* what went out so far."""

    now: datetime
    waited_until: datetime | None
    sent_at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry of a timeline: what became of a step *at* an instant, why, and what it would have said."""

    at: datetime
    step: int
    name: str
    action: str
    became: str
    reason: str = ""
    told: str = ""
    is_message: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A whole simulated instance. *status* is where it stands at the end, *due_at* what is still to come."""

    workflow: str
    customer_id: int | None
    entity_type: str
    entity_id: int
    started_at: datetime
    ended_at: datetime
    status: Status
    reason: str = ""
    due_at: datetime | None = None
    lines: tuple[Line, ...] = ()

    @property
    def messages(self) -> tuple[Line, ...]:
        """The entries that are messages which would have gone out."""
        return tuple(line for line in self.lines if line.is_message)


def simulate(
    workflow: Workflow,
    world: World,
    stage: Stage,
    *,
    started_at: datetime,
    until: datetime | None = None,
    sent_at: Sequence[datetime] = (),
) -> Timeline:
    """Return what an instance would do that is started at *started_at*.

    Nothing is played after *until*. *sent_at* are messages that the customer got before.
    """
    return _Playing(workflow, world, stage, started_at, tuple(sent_at)).to_the_end(until)


class _Playing:
    """An instance as it is played, one claim after the other."""

    def __init__(
        self,
        workflow: Workflow,
        world: World,
        stage: Stage,
        started_at: datetime,
        sent_at: tuple[datetime, ...],
    ) -> None:
        self._workflow = workflow
        self._world = world
        self._stage = stage
        self._sent_at = sent_at
        self._lines: list[Line] = []
        subject = world.subject
        self._instance = Instance(
            id=_NOBODY,
            workflow=workflow.name,
            version=workflow.version,
            event_id=_NOBODY,
            event_type=workflow.trigger.event,
            entity_type=subject.entity_type,
            entity_id=subject.entity_id,
            customer_id=subject.customer_id,
            step=1,
            starts=1,
            attempt=1,
            message_count=0,
            started_at=started_at,
            due_at=first_due(workflow, started_at=started_at, zone=world.zone),
        )

    def to_the_end(self, until: datetime | None) -> Timeline:
        now, status, reason = self._instance.due_at, Status.ACTIVE, ""
        for _ in range(MOST_TURNS):
            if until is not None and now > until:
                return self._timeline(self._instance.started_at, status, reason, due_at=now)
            transition = self._take(now)
            status, reason = transition.status, transition.reason
            if transition.due_at is None:
                return self._timeline(now, status, reason)
            now = self._next(transition, now)
        return self._timeline(now, Status.FAILED, f"it did not end within {MOST_TURNS} turns")

    def _take(self, now: datetime) -> Transition:
        """Take the step that is due, note it, and become what follows."""
        step = self._workflow.step(self._instance.step)
        assert step is not None
        try:
            verdict, told = self._verdict(step, now)
        except ConditionError as error:
            verdict, told = classify(error), ""
        moment = Moment(now=now, zone=self._world.zone, facts=self._facts_after(step, now))
        transition = advance(self._instance, self._workflow, verdict, moment)
        if transition.record is not None:
            self._note(step, transition, now, told)
        self._instance = replace(
            self._instance,
            step=transition.step,
            starts=transition.starts + 1,
            due_at=transition.due_at or now,
            message_count=self._instance.message_count + transition.messages,
            is_fallback=transition.is_fallback,
            awaited=transition.awaited,
            waited_until=transition.waited_until,
            context={**self._instance.context, **transition.context},
        )
        return transition

    def _verdict(self, step: Step, now: datetime) -> tuple[Verdict, str]:
        facts = self._world.facts(self._workflow.facts_before(step), now, self._instance)
        situation = Situation(now, self._world.zone, facts, self._arrivals(step, now))
        refused = judge(self._instance, self._workflow, step, situation)
        if refused is not None:
            return refused, ""
        if step.wait_for is not None:
            self._instance = replace(self._instance, awaited=awaits(self._instance, step.wait_for))
        instead = step.fallback if self._instance.is_fallback else None
        action = instead.action if instead else step.action
        parameters = instead.parameters if instead else step.parameters
        # What steps put into the context is not known here, and missing where a text mentions it.
        mentioned = self._stage.facts_for(action, parameters)
        names = {name for name in mentioned if name in FACTS or is_open(name)}
        turn = Turn(now, self._instance.waited_until, self._sent_at)
        return self._stage.play(action, parameters, self._world.facts(names, now, self._instance), turn)

    def _arrivals(self, step: Step, now: datetime) -> list[Mapping[str, Any]]:
        if step.wait_for is None:
            return []
        awaited = awaits(self._instance, step.wait_for)
        return [past.payload for past in self._world.arrivals(awaited, now)]

    def _facts_after(self, step: Step, now: datetime) -> Mapping[str, Value]:
        return self._world.facts(self._workflow.facts_after(step), now, self._instance)

    def _note(self, step: Step, transition: Transition, now: datetime, told: str) -> None:
        is_done = transition.record is StepStatus.COMPLETED
        if is_done and transition.messages:
            self._sent_at = (*self._sent_at, now)
        instead = step.fallback if self._instance.is_fallback else None
        self._lines.append(
            Line(
                at=now,
                step=step.number,
                name=step.name,
                action=instead.action if instead else step.action,
                became=transition.record.value if transition.record else "",
                reason="" if is_done else transition.error or transition.reason,
                told=told,
                is_message=is_done and transition.messages > 0,
            )
        )

    def _next(self, transition: Transition, now: datetime) -> datetime:
        """Return when the instance is looked at again: when it is due, or when what it waits for arrives."""
        assert transition.due_at is not None
        due = max(transition.due_at, now)
        if transition.awaited is None:
            return due
        coming = self._world.arrivals(transition.awaited, transition.awaited.until)
        return min((past.at for past in coming if now < past.at < due), default=due)

    def _timeline(
        self, ended_at: datetime, status: Status, reason: str, *, due_at: datetime | None = None
    ) -> Timeline:
        return Timeline(
            workflow=self._workflow.name,
            customer_id=self._instance.customer_id,
            entity_type=self._instance.entity_type,
            entity_id=self._instance.entity_id,
            started_at=self._instance.started_at,
            ended_at=max((ended_at, *(line.at for line in self._lines))),
            status=status,
            reason=reason,
            due_at=due_at,
            lines=tuple(self._lines),
        )
