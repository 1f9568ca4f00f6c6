"""Plays workflows on what was recorded, reading only."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from pcd.events import finder
from pcd.events.finder import Query
from pcd.messages import reader
from pcd.messages.message import Channel
from pcd.rehearsal.known import templates
from pcd.rehearsal.stage import Rehearsal
from pcd.triggers.match import Watch, match
from pcd.workflows.facts.catalogue import FACTS
from pcd.workflows.facts.fact import Subject
from pcd.workflows.facts.reader import FactReader
from pcd.workflows.imagine import imagine_facts, imagine_subject
from pcd.workflows.simulate import Past, World, simulate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.db.pool import Connection, Database
    from pcd.events.finder import Event
    from pcd.messages.reader import Template
    from pcd.messages.vet import Standing
    from pcd.workflows.conditions.condition import Value
    from pcd.workflows.simulate import Timeline
    from pcd.workflows.workflow import Workflow

MOST_EVENTS = 5_000
"""How many events a backtest plays, the newest ones."""

_HISTORY = 1_000
_HOLDS = " does not hold"


class Trial(NamedTuple):
    """What came of one event: the *timeline* of the instance, or why there is none."""

    refusal: str
    timeline: Timeline | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a workflow would have done about the *events* since then; *refusals* count by their reason."""

    workflow: str
    since: datetime
    until: datetime
    events: int
    timelines: tuple[Timeline, ...]
    refusals: Mapping[str, int]


def business_of(config: Config) -> dict[str, str]:
    """Return the keys of ``[business]``."""
    found: dict[str, str] = msgspec.to_builtins(config.business)
    return found


def pretend(workflow: Workflow, given: Mapping[str, Value], *, config: Config, now: datetime) -> Trial:
    """Return what *workflow* would do about an event that never was, by *given* and made-up facts."""
    facts = imagine_facts(workflow, given, at=now)
    zone = ZoneInfo(config.daemon.timezone)
    missing = {key: value or f"[business.{key}]" for key, value in business_of(config).items()}
    world = World(
        subject=imagine_subject(workflow, given),
        found=facts,
        present=now,
        zone=zone,
        business=missing,
        given=given,
    )
    stage = Rehearsal(zone=zone, templates={}, has_agent=bool(config.ai.api_key))
    return Trial("", simulate(workflow, world, stage, started_at=now))


class Rehearser:
    """Tries workflows on the events of *db*."""

    def __init__(self, config: Config, db: Database, *, clock: Clock) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._zone = ZoneInfo(config.daemon.timezone)
        self._business = business_of(config)
        self._reader = FactReader(db, business=self._business, zone=self._zone, clock=clock)
        self._policy = reader.Policy.of(config.messaging, zone=self._zone)

    async def rehearse(self, workflow: Workflow, id_text: str, given: Mapping[str, Value]) -> Trial:
        """Return what *workflow* would do about a recorded event, from its recording on, into the future.

        *given* facts stand at any time. Raises ControlError for an event that is not there.
        """
        event = (await finder.trace(self._db, id_text)).event
        refusal = _refusal(workflow, event)
        if refusal:
            return Trial(refusal, None)
        stage = await self._stage(event.customer_id, await templates(self._db), counts_past=True)
        world = await self._world(workflow, event, stage, given)
        return Trial("", simulate(workflow, world, stage, started_at=event.detected_at))

    async def backtest(self, workflow: Workflow, *, since: datetime) -> Backtest:
        """Return what *workflow* would have done since then, until now, had it been switched on.

        The texts of its messages are left out.
        """
        now = self._clock.now()
        query = Query(types=(workflow.trigger.event,), since=since)
        events = await finder.newest(self._db, query, limit=MOST_EVENTS)
        refusals: Counter[str] = Counter()
        running: defaultdict[int | None, list[Timeline]] = defaultdict(list)
        stages: dict[int | None, Rehearsal] = {}
        timelines: list[Timeline] = []
        rows = await templates(self._db)
        for event in events:
            refusal = _refusal(workflow, event) or _full(workflow, event, running[event.customer_id])
            if refusal:
                refusals[_kind(refusal)] += 1
                continue
            if event.customer_id not in stages:
                stages[event.customer_id] = await self._stage(event.customer_id, rows, counts_past=False)
            stage = stages[event.customer_id]
            world = await self._world(workflow, event, stage, {})
            before = [line.at for one in running[event.customer_id] for line in one.messages]
            found = simulate(workflow, world, stage, started_at=event.detected_at, until=now, sent_at=before)
            running[event.customer_id].append(found)
            timelines.append(_nameless(found))
        return Backtest(
            workflow=workflow.name,
            since=since,
            until=now,
            events=len(events),
            timelines=tuple(timelines),
            refusals=dict(refusals),
        )

    async def _world(
        self, workflow: Workflow, event: Event, stage: Rehearsal, given: Mapping[str, Value]
    ) -> World:
        subject = Subject(
            entity_type=event.entity_type,
            entity_id=event.entity_id,
            customer_id=event.customer_id,
            event=event.payload,
        )
        names = set(_names(workflow, stage))
        return World(
            subject=subject,
            found=await self._reader.find(subject, names),
            present=self._clock.now(),
            zone=self._zone,
            business=self._business,
            history=await self._history(event),
            given=given,
        )

    async def _history(self, event: Event) -> tuple[Past, ...]:
        """Return the event itself and what was recorded of the entity or the customer after it, in order."""
        about = Query(entity=(event.entity_type, event.entity_id), since=event.detected_at)
        found = {one.id: one for one in await finder.newest(self._db, about, limit=_HISTORY)}
        if event.customer_id is not None:
            of_customer = Query(customer_id=event.customer_id, since=event.detected_at)
            found |= {one.id: one for one in await finder.newest(self._db, of_customer, limit=_HISTORY)}
        found[event.id] = event
        ordered = sorted(found.values(), key=lambda one: one.sequence)
        return tuple(
            Past(one.detected_at, one.type, one.entity_type, one.entity_id, one.customer_id, one.payload)
            for one in ordered
        )

    async def _stage(
        self, customer_id: int | None, rows: Mapping[str, Template], *, counts_past: bool
    ) -> Rehearsal:
        """Return a stage that knows where the customer stands now; *counts_past* messages fill the caps."""
        standings: dict[Channel, Standing | str] = {}
        for channel in Channel:
            standing = await self._standing(customer_id, channel)
            if not isinstance(standing, str) and not counts_past:
                standing = replace(standing, sent_at=())
            standings[channel] = standing
        return Rehearsal(
            zone=self._zone, templates=rows, standings=standings, has_agent=bool(self._config.ai.api_key)
        )

    async def _standing(self, customer_id: int | None, channel: Channel) -> Standing | str:
        if customer_id is None:
            return "the event names no customer, so there is nobody to write to"
        found = await reader.recipient(self._db, customer_id)
        if found is None:
            return "the customer is not in the mirror"
        address = found.phone if channel is Channel.SMS else found.email
        if not address and not found.contact_id:
            return (
                "the customer has no phone number" if channel is Channel.SMS else "the customer has no e-mail"
            )
        async with self._db.transaction() as connection:
            return await self._asked(connection, found, channel, address)

    async def _asked(
        self, connection: Connection, recipient: reader.Recipient, channel: Channel, address: str
    ) -> Standing:
        return await reader.standing(
            connection,
            recipient,
            channel=channel,
            address=address,
            key="",
            policy=self._policy,
            now=self._clock.now(),
        )


def _refusal(workflow: Workflow, event: Event) -> str:
    """Return why *event* does not start *workflow* once it is switched on, "" where it does."""
    if event.type != workflow.trigger.event:
        return f"it starts with {workflow.trigger.event}, and this is {event.type}"
    matches = match(event, Watch((replace(workflow, is_enabled=True),)))
    return matches.others[0].reason if matches.others else ""


def _nameless(timeline: Timeline) -> Timeline:
    """Return a timeline without its texts: a backtest tells whom by the customer's id alone."""
    return replace(timeline, lines=tuple(replace(line, told="") for line in timeline.lines))


def _kind(refusal: str) -> str:
    """Return a reason without the values that belong to one event alone."""
    head, holds, _ = refusal.partition(_HOLDS)
    return head + holds


def _full(workflow: Workflow, event: Event, running: Sequence[Timeline]) -> str:
    most = workflow.max_concurrent_per_customer
    live = sum(one.ended_at > event.detected_at or one.due_at is not None for one in running)
    return f"the customer has {live} already, as many as it allows" if most and live >= most else ""


def _names(workflow: Workflow, stage: Rehearsal) -> set[str]:
    """Return every fact that a run of *workflow* may ask for."""
    found: set[str] = set()
    for step in workflow.steps:
        found |= workflow.facts_before(step) | workflow.facts_after(step)
        found |= stage.facts_for(step.action, step.parameters)
        if step.fallback is not None:
            found |= stage.facts_for(step.fallback.action, step.fallback.parameters)
    return {name for name in found if name in FACTS}
