"""Turns changes into events: the one consumer of the outbox, under the lease ``events``.

One transaction takes a batch of changes, records what they mean and remembers what is to come. It need
not wait for the disk: if a crash undoes it, the changes are in the outbox again and it is done anew.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

import anyio
import asyncpg

from pcd.changes.reader import glance, take
from pcd.db import queries
from pcd.db.errors import refuses_data
from pcd.errors import DataRejected
from pcd.events import seeder, statements
from pcd.events.classify import classify, come_due, reconsider
from pcd.events.event import Surroundings, Verdict
from pcd.events.reader import Reader, due_of, parked_of
from pcd.events.replayer import Replayer
from pcd.events.retrier import retry
from pcd.events.rules import RULES
from pcd.events.writer import Writer
from pcd.tables import catalogue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from anyio.abc import TaskStatus

    from pcd.changes.change import Change
    from pcd.clock import Clock
    from pcd.db.leases import Lease
    from pcd.db.pool import Connection, Database
    from pcd.events.channels import Channels
    from pcd.events.event import EventRule, Follower, Recorded
    from pcd.events.reader import Source
    from pcd.events.replayer import Replay, Request
    from pcd.events.retrier import Retried
    from pcd.events.writer import Write

log = logging.getLogger(__name__)

_SQL = queries.load("pcd.events")
_FEW = 100
SESSION: Mapping[str, str] = MappingProxyType(
    {"synchronous_commit": "off", "plan_cache_mode": "force_generic_plan", "work_mem": "32MB"}
)
"""Settings for the recorder's sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How facts are judged: *max_age* suppresses older ones.

    *poll_interval* is how often to look unasked, *batch* how many changes make a transaction.
    """

    surroundings: Surroundings = field(default_factory=Surroundings)
    max_age: timedelta = timedelta(days=7)
    poll_interval: timedelta = timedelta(seconds=30)
    batch: int = 5000


@dataclass(slots=True)
class _Done:
    verdict: Verdict
    changes: Sequence[Change] = ()
    recorded: list[Recorded] = field(default_factory=list)


async def fitted(db: Database, rules: Mapping[str, EventRule]) -> statements.Statements:
    """Return the statements that record facts, for the tables as they are."""
    async with db.transaction() as connection:
        return statements.record(rules.values(), await catalogue.read(connection))


class Recorder:
    """A service: records what changes mean as soon as `wake` is called, and what falls due when it does.

    Give it a database of its own with two connections and `SESSION`: its statements stay prepared, no sync
    keeps it waiting, and no commit waits for the disk. *observe* hears after each commit what was recorded,
    and of which changes; *follower* does what follows from events, in the transaction that records them.
    """

    name = "events"

    def __init__(  # noqa: PLR0913 - one keyword each for what it works with
        self,
        db: Database,
        *,
        lease: Lease,
        settings: Settings,
        channels: Channels,
        clock: Clock,
        rules: Mapping[str, EventRule] = RULES,
        observe: Callable[[Sequence[Recorded], Sequence[Change]], None] = lambda _events, _changes: None,
        follower: Follower | None = None,
    ) -> None:
        self._db = db
        self._lease = lease
        self._settings = settings
        self._channels = channels
        self._clock = clock
        self._rules = rules
        self._observe = observe
        self._reader = Reader(rules, surroundings=settings.surroundings, clock=clock)
        self._follower = follower
        self._writer = self._fitted(statements.Statements({}, {}))
        self._line: Source = db
        self._news = anyio.Event()
        self._alone = anyio.Lock(fast_acquire=True)
        self._refreshed_at = float("-inf")
        self._is_stale = False

    def wake(self) -> None:
        """Look into the outbox soon: something may have been written."""
        self._news.set()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Record until cancelled. Raises StoreError, and LeaseLost when another process took over."""
        await self.prepare()
        # Held, for borrowing one from the pool takes as long as asking it something.
        async with self._db.session() as line:
            self._line = line
            try:
                task_status.started()
                await self._record()
            finally:
                self._line = self._db

    async def _record(self) -> NoReturn:
        while True:
            self._news = anyio.Event()
            await self.drain()
            pause = min(self._settings.poll_interval.total_seconds(), self._reader.until_due())
            with anyio.move_on_after(max(pause, 0.0)):
                await self._news.wait()

    async def prepare(self) -> None:
        """Read what is known, and fit the statements to the tables as they are."""
        self._writer = self._fitted(await fitted(self._db, self._rules))
        await self._refresh()

    async def drain(self) -> int:
        """Record what all waiting changes mean, then what is due by now; return how many events it is."""
        count = 0
        if self._clock.monotonic() - self._refreshed_at >= self._settings.poll_interval.total_seconds():
            await self._refresh()
        while True:
            changes = await glance(self._line, min(_FEW, self._settings.batch))
            if changes == [] and self._reader.until_due() > 0:
                return count
            done = await self._shortcut(changes or [])
            count += len((done or await self._step(self._take)).recorded)

    async def retry(self) -> Retried:
        """Apply halted rules to what they missed, and judge parked rows again."""
        async with self._alone:
            # If it is broken off, rules that it has let go on would be thought halted still.
            self._is_stale = True
            result = await retry(self._writer, self._reader, self._rules)
            await self._read_again(self._db)
        self._tell(result.events, ())
        return result

    async def replay(self, request: Request) -> Replay:
        """Derive events again and record those that are new."""
        writer = self._writer.with_max_age(None if request.release else self._settings.max_age)
        async with self._alone:
            await self._reader.refresh(self._db)
            replayer = Replayer(self._db, writer, rules=self._rules, situation=self._reader.fixed)
            result = await replayer.replay(request)
        self._tell(result.events, ())
        return result

    def _fitted(self, prepared: statements.Statements) -> Writer:
        return Writer(
            self._db,
            self._lease,
            prepared,
            max_age=self._settings.max_age,
            follower=self._follower,
        )

    async def _refresh(self) -> None:
        async with self._alone:
            await self._read_again(self._db)
        for rule in self._rules.values():
            await seeder.seed(self._db, self._writer, rule, self._reader.fixed)
        await self._db.execute(_SQL["give_up_completing"])
        if self._reader.any_parked:
            await self._step(self._let_in)
        await self._reader.refresh_due(self._db)
        self._refreshed_at = self._clock.monotonic()

    async def _read_again(self, source: Source) -> None:
        await self._reader.refresh(source)
        self._is_stale = False

    async def _shortcut(self, changes: Sequence[Change]) -> _Done | None:
        """Record what *changes* mean in one round trip, if facts are all that follows from them; else None.

        In a transaction of its own each of its five statements would wait for the network, and for the
        processor where others want it too.
        """
        async with self._alone:
            if self._is_stale or not self._reader.needs_no_look(changes):
                return None
            verdict = classify(changes, self._reader.fixed, self._rules)
            if not verdict.is_plain or self._writer.is_followed(verdict.facts):
                return None
            try:
                recorded = await self._writer.record_at_once(self._line, verdict.facts, changes)
            except (DataRejected, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not refuses_data(error):
                    raise
                return None
            self._tell(recorded, changes)
        return _Done(verdict, changes, recorded)

    async def _step(self, work: Callable[[Connection, Write], Awaitable[_Done]]) -> _Done:
        """Do *work* in one fenced transaction, then tell what came of it."""
        async with self._alone:
            done = await self._writer.step(work)
            self._reader.learn(done.verdict)
            self._tell(done.recorded, done.changes)
            if done.verdict.due or not done.changes:
                await self._reader.refresh_due(self._db)
        return done

    def _tell(self, recorded: Sequence[Recorded], changes: Sequence[Change]) -> None:
        self._channels.publish(event for event in recorded if event.suppressed_reason is None)
        self._observe(recorded, changes)

    async def _take(self, connection: Connection, write: Write) -> _Done:
        if self._is_stale:
            # Before the changes are taken: which units are known depends on what waits.
            await self._read_again(connection)
        changes = await take(connection, self._settings.batch)
        if not changes:
            return await self._fall_due(connection, write)
        if not self._reader.knows(changes):
            await self._reader.refresh_baselines(connection)
        situation = await self._reader.situation(connection, changes)
        verdict = classify(changes, situation, self._rules)
        recorded = await write(connection, verdict)
        if customers := [change.st_id for change in changes if change.resource == "customers"]:
            await connection.execute(_SQL["complete"], customers)
        return _Done(verdict, changes, recorded)

    async def _fall_due(self, connection: Connection, write: Write) -> _Done:
        # Only now: what was changed before the moment came may mean that it does not come.
        if self._reader.until_due() > 0:
            return _Done(Verdict())
        rows = await connection.fetch(_SQL["due_now"], self._reader.due_types, self._settings.batch)
        verdict = come_due([due_of(row) for row in rows], self._reader.fixed, self._rules)
        return _Done(verdict, (), await write(connection, verdict))

    async def _let_in(self, connection: Connection, write: Write) -> _Done:
        units = list(self._reader.fixed.surroundings.units)
        rows = await connection.fetch(_SQL["parked_in_vain"], units, self._settings.batch)
        verdict = reconsider([parked_of(row) for row in rows], self._reader.fixed, self._rules)
        return _Done(verdict, (), await write(connection, verdict))
