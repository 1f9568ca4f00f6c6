"""Random histories of several writers against a simple reference: the same changes, each once, in order."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.jobs import status, taken, writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg.transaction import Transaction

    from pcd.db.pool import Connection, Database

pytestmark = pytest.mark.asyncio

Told: TypeAlias = "dict[int, list[tuple[str, object, object]]]"

TABLE = "servicetitan.st_jobs"
UPSERT = f"""INSERT INTO {TABLE} (st_id, tenant_id, job_status, full_data) VALUES ($1, 1, $2, '{{}}')
ON CONFLICT (st_id) DO UPDATE SET job_status = EXCLUDED.job_status"""
STATEMENTS = {
    "write": UPSERT,
    "delete": f"DELETE FROM {TABLE} WHERE st_id = $1",
    "touch": f"UPDATE {TABLE} SET summary = 'nobody tracks it' WHERE st_id = $1",
}

WRITERS = st.integers(0, 2)
IDS = st.integers(1, 3)
# The last of each: whether the transaction ends with it.
STEPS = st.one_of(
    st.tuples(st.just("write"), WRITERS, IDS, st.sampled_from("ab"), st.booleans()),
    st.tuples(st.just("delete"), WRITERS, IDS, st.booleans()),
    st.tuples(st.just("touch"), WRITERS, IDS, st.booleans()),
    st.tuples(st.just("truncate"), WRITERS, st.booleans()),
    st.tuples(st.just("rollback"), WRITERS),
    st.tuples(st.just("take"), st.sampled_from((1, 2, 1000))),
)


class Reference:
    """What should be told of the rows."""

    def __init__(self) -> None:
        self.rows: dict[int, str] = {}
        self.told: Told = defaultdict(list)
        self._departed: dict[int, str] = {}

    def commit(self, written: dict[int, str | None]) -> None:
        """Take over what a transaction left behind."""
        for key, after in written.items():
            before = self.rows.pop(key, None)
            if after is not None:
                self.rows[key] = after
            if before == after:
                continue
            if before is None and key in self._departed:
                before = self._departed.pop(key)
            if after is None:
                assert before is not None
                self._departed[key] = before
            self.told[key].append(("I" if before is None else "D" if after is None else "U", before, after))


class Session:
    """One writer's connection, and what its open transaction has done so far."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.written: dict[int, str | None] = {}
        self.holds_all = False
        self._transaction: Transaction | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is inside a transaction."""
        return self._transaction is not None

    async def begin(self) -> None:
        """Be inside a transaction."""
        if self._transaction is None:
            self._transaction = self.connection.transaction()
            await self._transaction.start()

    async def end(self, *, commit: bool) -> dict[int, str | None]:
        """End the transaction, if there is one, and return what it leaves behind."""
        if self._transaction is not None:
            await (self._transaction.commit() if commit else self._transaction.rollback())
        written = self.written if commit else {}
        self.written, self.holds_all, self._transaction = {}, False, None
        return written


class History:
    """Lets writers write and the consumer take, and the reference watch; skips what would wait for a lock."""

    def __init__(self, db: Database, connections: Sequence[Connection]) -> None:
        self._db = db
        self._sessions = [Session(connection) for connection in connections]
        self.reference = Reference()
        self.told: Told = defaultdict(list)

    async def step(self, name: str, *args: int | str) -> None:
        """Carry out one step."""
        if name == "take":
            await self.take(int(args[0]))
        elif name == "rollback":
            await self._sessions[int(args[0])].end(commit=False)
        else:
            session = self._sessions[int(args[0])]
            await self._write(name, session, *args[1:-1])
            if args[-1]:
                self.reference.commit(await session.end(commit=True))

    async def take(self, limit: int) -> None:
        """Let the consumer take a batch."""
        for change in await taken(self._db, limit):
            self.told[change.st_id].append((change.op, status(change.before), status(change.after)))

    async def finish(self) -> None:
        """Commit what is open and take what is left."""
        for session in self._sessions:
            self.reference.commit(await session.end(commit=True))
        while await self._db.fetchval("SELECT count(*) FROM pcd.outbox"):
            await self.take(2)

    async def abandon(self) -> None:
        """Leave no transaction open."""
        for session in self._sessions:
            await session.end(commit=False)

    async def _write(self, name: str, session: Session, *args: int | str) -> None:
        others = [other for other in self._sessions if other is not session and other.is_open]
        if any(other.holds_all for other in others) or (name == "truncate" and others):
            return
        if args and any(args[0] in other.written for other in others):
            return
        await session.begin()
        if name == "truncate":
            await session.connection.execute(f"TRUNCATE {TABLE}")
            session.holds_all = True
            session.written.update(dict.fromkeys(self.reference.rows.keys() | session.written.keys()))
            return
        key = int(args[0])
        await session.connection.execute(STATEMENTS[name], *args)
        seen = session.written.get(key, self.reference.rows.get(key))
        session.written[key] = str(args[1]) if name == "write" else None if name == "delete" else seen


@pytest.mark.timeout(180)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=10, max_size=40))
async def test_any_history_is_told_as_it_was(watched: Database, steps: list[tuple[str, int]]) -> None:
    await watched.execute(f"TRUNCATE {TABLE}")
    # Afterwards: what that wrote belongs to no history.
    await watched.execute("TRUNCATE pcd.outbox, pcd.departed, pcd.change_log")
    async with (
        watched.session() as ours,
        watched.session() as elsewhere,
        writer(watched, "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE") as foreign,
    ):
        await elsewhere.execute("SET timezone = 'Asia/Kathmandu'; SET search_path = ''")
        history = History(watched, (ours, elsewhere, foreign))
        try:
            for step in steps:
                await history.step(*step)
            await history.finish()
        finally:
            await history.abandon()
    assert history.told == history.reference.told
    logged: Told = defaultdict(list)
    for row in await watched.fetch(
        "SELECT st_id, op::text, before ->> 'job_status', after ->> 'job_status' FROM pcd.changes ORDER BY id"
    ):
        logged[row[0]].append((row[1], row[2], row[3]))
    assert logged == history.reference.told
