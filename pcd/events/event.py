"""The shapes of detection: how an event is declared, what is found, what is remembered meanwhile.

States are the tracked columns of a row as JSON has them: instants are ISO texts in UTC, fractions `Decimal`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from uuid import UUID

    from pcd.changes.change import State
    from pcd.db.pool import Connection

RowKey: TypeAlias = "tuple[str, int]"
"""An event type and the row that it is about."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a rule may know besides the row: business units by id, which names mean installs, the zone."""

    units: Mapping[int, str] = field(default_factory=dict)
    install_names: tuple[str, ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The row was never here before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Becomes:
    """*test* holds for the row and did not before, or there was no before.

    *at* is a column that says since when, for rows that arrive so; empty where no column does.
    """

    test: Callable[[State, Surroundings], bool]
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """*test* holds for the row as it was and as it is; *columns* are those that it compares."""

    columns: tuple[str, ...]
    test: Callable[[State, State], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class FallsDue:
    """A moment is reached that follows from the date in *column*, while *stands* holds.

    *moment* turns the date into the instant; *ends* is from when on it is too late to begin waiting, None
    for never. A row that comes to stand after its moment is due at once.
    """

    column: str
    stands: Callable[[State], bool]
    moment: Callable[[date, ZoneInfo], datetime]
    ends: Callable[[date, ZoneInfo], datetime] | None = None


When: TypeAlias = "Created | Becomes | Moves | FallsDue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why a rule cannot judge a row. *waits_for* is a row whose arrival settles it, as ``(resource, id)``."""

    reason: str
    waits_for: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRule:
    """One event, declared.

    *entity* is the word for what it is about; *entity_column* holds its id (empty: the row's own). *resource*
    is the table that it watches, *columns* the tracked columns that it reads. *meaning* is one sentence for
    people. *once* events happen at most once to an entity, others again and again, each time with the next
    ordinal; *scope* is a column whose values are counted apart. *doubts* look at the row before *when* does:
    one that speaks up parks the row.

    *payload* gives each key the column of the row that fills it; *row* is the key of the whole row. *compute*
    yields the keys in *computed_keys* from the states before and after (None: there was none before) and
    the instant of the fact. *customer* is the column with the customer's id; a row without one has its
    job's.
    """

    type: str
    entity: str
    resource: str
    columns: tuple[str, ...]
    meaning: str
    when: When
    payload: Mapping[str, str]
    row: str
    once: bool = False
    entity_column: str = ""
    scope: str = ""
    doubts: tuple[Callable[[State, Surroundings], Doubt | None], ...] = ()
    computed_keys: tuple[str, ...] = ()
    compute: Callable[[State | None, State, Surroundings, datetime], Mapping[str, Any]] | None = None
    customer: str = "customer_id"


class Fact(NamedTuple):
    """Something that happened. Whether it is news, the identities decide.

    *identity* names it (``"2026-03-09"``), or is empty where it is counted. A *first* one can only be the
    first of its kind for the entity: it was concluded from a row's arrival, not seen to happen. *suppressed*
    says why it must not be told to anybody, ``""`` when it may.
    """

    rule: EventRule
    st_id: int
    change_id: int | None
    occurred_at: datetime
    state: State
    computed: Mapping[str, Any] = _NOTHING
    identity: str = ""
    first: bool = False
    suppressed: str = ""

    @property
    def entity_id(self) -> int:
        """The id of what it is about."""
        return int(self.state[self.rule.entity_column]) if self.rule.entity_column else self.st_id

    @property
    def customer_id(self) -> int | None:
        """The customer that the row names, None where it names none."""
        return self.st_id if self.rule.customer == "st_id" else _id(self.state.get(self.rule.customer))

    @property
    def job_id(self) -> int | None:
        """The job that the row names, None where it names none."""
        return _id(self.state.get("job_id"))

    @property
    def head(self) -> dict[str, Any]:
        """The keys of its payload that need no look-up: not the row, the customer and the ordinal."""
        values = {
            key: self.st_id if column == "st_id" else self.state.get(column)
            for key, column in self.rule.payload.items()
            if key != "customerId"
        }
        return {**values, **self.computed}

    @property
    def scope(self) -> str:
        """What its identity starts with where occurrences are counted apart."""
        return f"{self.state[self.rule.scope]}." if self.rule.scope else ""


class Parked(NamedTuple):
    """A row that a rule could not judge: as it was when last judged, and as it is now; None: not there."""

    type: str
    resource: str
    st_id: int
    reason: str
    before: State | None
    state: State | None
    change_id: int
    changed_at: datetime
    waits_for: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A fact to come: *identity* says which (the date it follows from), *state* is the row's meanwhile."""

    type: str
    st_id: int
    due_at: datetime
    identity: str
    state: State
    change_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """A rule that raised, on which change, and what it said."""

    type: str
    change_id: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What was known before a batch of changes.

    *baselines* by resource: nothing before is news. *parked* and *due* hold at least the entries of the rows
    in the batch and those that wait for one of them; *halted* are the types of rules that are stopped.
    """

    surroundings: Surroundings = field(default_factory=Surroundings)
    baselines: Mapping[str, datetime] = field(default_factory=dict)
    parked: Mapping[RowKey, Parked] = field(default_factory=dict)
    due: Mapping[RowKey, Due] = field(default_factory=dict)
    halted: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What a batch of changes means: facts in order, and what to remember; None means forget."""

    facts: list[Fact] = field(default_factory=list)
    parked: dict[RowKey, Parked | None] = field(default_factory=dict)
    due: dict[RowKey, Due | None] = field(default_factory=dict)
    halts: list[Halt] = field(default_factory=list)
    units: dict[int, str] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether nothing follows but facts."""
        return not (self.parked or self.due or self.halts or self.units)


class Recorded(NamedTuple):
    """An event that was recorded, without its payload; *sequence* rises in the order of recording.

    *change_id* is the change that it follows from, None where it follows from none.
    """

    sequence: int
    id: UUID
    type: str
    entity_type: str
    entity_id: int
    customer_id: int | None
    ordinal: int
    occurred_at: datetime
    detected_at: datetime
    suppressed_reason: str | None
    change_id: int | None = None


class Follower(Protocol):
    """Does what follows from events, in the transaction that records them: with them, or not at all."""

    def wants(self, types: Iterable[str]) -> bool:
        """Return whether anything follows from events of one of *types*."""

    async def follow(self, connection: Connection, events: Sequence[Recorded]) -> None:
        """Do what follows from *events*, none of which is suppressed."""


class Nobody:
    """A follower that wants nothing."""

    def wants(self, _types: Iterable[str]) -> bool:
        """Return False."""
        return False

    async def follow(self, _connection: Connection, _events: Sequence[Recorded]) -> None:
        """Do nothing."""


def _id(value: object) -> int | None:
    """Return an id; a column that somebody made a text may hold anything."""
    return value if isinstance(value, int) else None
