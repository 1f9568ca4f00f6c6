"""The records of a simulated sub-account, and what its searches see of them.

A `Shelf` is read like a mapping and shows every record as it is now, as ``GET`` by id does. Its
`Shelf.index` is what searches look at: it follows behind by the search lag, and stands still while
the lag is frozen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from pcd.sim.ghl.courier import Courier
from pcd.sim.ghl.identity import Identities

if TYPE_CHECKING:
    from datetime import timedelta

    from pcd.clock import Clock
    from pcd.sim.ghl.records import (
        Contact,
        Conversation,
        CustomField,
        Enrolment,
        Message,
        Note,
        Opportunity,
        Pipeline,
        RemoteWorkflow,
        Task,
        User,
    )
    from pcd.sim.ghl.settings import GhlSimSettings


class Record(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> str:
        """What it is known by."""


R = TypeVar("R", bound=Record)
Key: TypeAlias = tuple[str, str]


class Lag:
    """How far searches are behind, in real seconds."""

    def __init__(self, *, clock: Clock, behind: timedelta) -> None:
        """Follow *behind* the changes."""
        self._clock = clock
        self.seconds = behind.total_seconds()
        self._frozen: float | None = None

    @property
    def now(self) -> float:
        """This moment, on the clock by which the lag is measured."""
        return self._clock.monotonic()

    @property
    def horizon(self) -> float:
        """The moment up to which searches see."""
        return (self.now if self._frozen is None else self._frozen) - self.seconds

    @property
    def is_frozen(self) -> bool:
        """Whether searches see no further change until told."""
        return self._frozen is not None

    def freeze(self) -> None:
        """Let searches see what they see now, and nothing newer."""
        self._frozen = self.now if self._frozen is None else self._frozen

    def thaw(self) -> None:
        """Let searches follow again."""
        self._frozen = None


class View(Generic[R]):
    """Records by id and by the keys that *keys* yields for each; in the order of their first arrival."""

    def __init__(self, keys: Callable[[R], Iterable[Key]]) -> None:
        """Start empty."""
        self._keys = keys
        self._by_key: dict[Key, dict[str, None]] = {}
        self.records: dict[str, R] = {}
        self.version = 0

    def put(self, record_id: str, record: R | None) -> None:
        """Put *record* in the place of the one with its id; None takes that away."""
        self.version += 1
        former = self.records.get(record_id)
        for key in self._keys(former) if former is not None else ():
            self._by_key[key].pop(record_id, None)
        if record is None:
            self.records.pop(record_id, None)
            return
        self.records[record_id] = record
        for key in self._keys(record):
            self._by_key.setdefault(key, {})[record_id] = None

    def find(self, kind: str, value: str) -> list[R]:
        """Return the records that have this key, the one that has had it longest first."""
        return [self.records[record_id] for record_id in self._by_key.get((kind, value), ())]


class Shelf(Mapping[str, R]):
    """The records of one kind, as they are now; `index` is what searches see of them."""

    def __init__(
        self, keys: Callable[[R], Iterable[Key]], *, lag: Lag, watch: Callable[[R | None, R | None], None]
    ) -> None:
        """Start empty; *watch* is told of each change, what was and what is."""
        self._watch = watch
        self._current = View(keys)
        self._seen = View(keys)
        self._pending: deque[tuple[float, str, R | None]] = deque()
        self._lag = lag

    def __getitem__(self, record_id: str) -> R:
        """Return the record as it is now; KeyError if there is none."""
        return self._current.records[record_id]

    def __iter__(self) -> Iterator[str]:
        """Yield the ids, the oldest record's first."""
        return iter(self._current.records)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._current.records)

    def find(self, kind: str, value: str) -> list[R]:
        """Return the records that have this key now, the one that has had it longest first."""
        return self._current.find(kind, value)

    @property
    def current(self) -> View[R]:
        """The records as they are now."""
        return self._current

    @property
    def index(self) -> View[R]:
        """What searches see at this moment."""
        self._follow()
        return self._seen

    def put(self, record: R) -> R:
        """Store *record*, new or in the place of the one with its id, and return it."""
        self._change(record.id, record)
        return record

    def remove(self, record_id: str) -> None:
        """Remove a record; KeyError if there is none."""
        _ = self._current.records[record_id]
        self._change(record_id, None)

    def _change(self, record_id: str, record: R | None) -> None:
        former = self._current.records.get(record_id)
        self._current.put(record_id, record)
        self._watch(former, record)
        self._pending.append((self._lag.now, record_id, record))
        self._follow()

    def _follow(self) -> None:
        horizon = self._lag.horizon
        while self._pending and self._pending[0][0] <= horizon:
            _, record_id, record = self._pending.popleft()
            self._seen.put(record_id, record)


class Store:
    """Everything in one sub-account. Read it freely in tests; `courier` holds the webhooks it set off."""

    def __init__(self, settings: GhlSimSettings, *, clock: Clock) -> None:
        """Start with the pipelines, fields, users and workflows of *settings*, and no contact."""
        self.clock = clock
        self.ids = Identities(settings.seed)
        self.lag = Lag(clock=clock, behind=settings.search_lag)
        self.courier = Courier(settings.location_id, clock=clock, ids=self.ids)
        watch = self.courier.note
        self.contacts: Shelf[Contact] = Shelf(_contact_keys, lag=self.lag, watch=watch)
        self.opportunities: Shelf[Opportunity] = Shelf(_contact_key, lag=self.lag, watch=watch)
        self.notes: Shelf[Note] = Shelf(_contact_key, lag=self.lag, watch=watch)
        self.tasks: Shelf[Task] = Shelf(_contact_key, lag=self.lag, watch=watch)
        self.messages: Shelf[Message] = Shelf(_message_keys, lag=self.lag, watch=watch)
        self.conversations: Shelf[Conversation] = Shelf(_contact_key, lag=self.lag, watch=watch)
        self.enrolments: list[Enrolment] = []
        self.pipelines: dict[str, Pipeline] = {pipeline.id: pipeline for pipeline in settings.pipelines}
        self.custom_fields: dict[str, CustomField] = {field.id: field for field in settings.custom_fields}
        self.users: dict[str, User] = {user.id: user for user in settings.users}
        self.workflows: dict[str, RemoteWorkflow] = {one.id: one for one in settings.workflows}

    def opportunities_of(self, contact_id: str) -> list[Opportunity]:
        """Return the opportunities of a contact, the oldest first."""
        return self.opportunities.find("contact", contact_id)

    def messages_to(self, contact_id: str) -> list[Message]:
        """Return what was sent to a contact, the oldest first."""
        return [one for one in self.messages.find("contact", contact_id) if one.direction == "outbound"]


class _OfContact(Record, Protocol):
    @property
    def contact_id(self) -> str: ...


def _contact_keys(contact: Contact) -> Iterator[Key]:
    if contact.email:
        yield "email", contact.email.lower()
    if contact.phone:
        yield "phone", contact.phone


def _contact_key(record: _OfContact) -> Iterator[Key]:
    yield "contact", record.contact_id


def _message_keys(message: Message) -> Iterator[Key]:
    yield "contact", message.contact_id
    yield "conversation", message.conversation_id
