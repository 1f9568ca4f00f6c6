"""What a step does: the protocol that every action implements, and what an action is told.

`workflows` owns the protocol, `pcd.actions` implements it, and only the composition root knows both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    import msgspec

    from pcd.workflows.outcome import Outcome

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Facts(Protocol):
    """What is known about the customer and the entity; a fact is read at the moment of asking."""

    @property
    def known(self) -> Mapping[str, Any]:
        """The facts that have been read so far, by dotted name."""

    async def get(self, name: str) -> Any:  # noqa: ANN401 - a fact of any type
        """Return one fact, read now unless it is known; raises DefinitionError for an undeclared one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCall:
    """One try of a step.

    *idempotency_key* is the same for every try of the step by this instance, and no other step's.
    *attempt* counts the tries from 1. *parameters* are the action's own, decoded. *customer_id* is None
    where the event named none. *waited_until* is what the last try's `Wait` asked for, None at first.
    *still_allowed* judges the workflow's stop conditions anew: it returns ``""``, or why the step must not
    be taken any more; a message asks it immediately before it goes out. In a *dry_run* nothing leaves the
    process.
    """

    instance_id: UUID
    workflow: str
    step: int
    attempt: int
    idempotency_key: str
    parameters: msgspec.Struct
    facts: Facts
    customer_id: int | None
    entity_type: str
    entity_id: int
    event_id: UUID
    still_allowed: Callable[[], Awaitable[str]]
    context: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    on_blocked: str = "wait"
    waited_until: datetime | None = None
    dry_run: bool = False


class Action(Protocol):
    """Something that a step can do.

    *parameters* is the struct that a definition's parameters are decoded into before anything runs.
    *is_message* says that it reaches the customer, so it is never repeated when its answer is lost.
    """

    @property
    def name(self) -> str:
        """The word for it in definitions."""

    @property
    def parameters(self) -> type[msgspec.Struct]:
        """What it must be told."""

    @property
    def is_message(self) -> bool:
        """Whether it reaches the customer."""

    async def perform(self, call: StepCall) -> Outcome:
        """Do it, and return what came of it; an exception counts as what `classify` says of it."""

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
