"""The shapes between what should stand in GoHighLevel and the calls that bring it about."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.crm.desired import Fields


class Entity(StrEnum):
    """What a call or a field is about."""

    CONTACT = "contact"
    OPPORTUNITY = "opportunity"


class CallKind(StrEnum):
    """What a call does. A reset is an update that begins a new cycle in an old opportunity.

    Those from ADD_NOTE on are owed by steps of workflows alone, to the contact that the customer is.
    """

    CREATE_CONTACT = "create_contact"
    UPDATE_CONTACT = "update_contact"
    CREATE_OPPORTUNITY = "create_opportunity"
    UPDATE_OPPORTUNITY = "update_opportunity"
    RESET_OPPORTUNITY = "reset_opportunity"
    ADD_NOTE = "add_note"
    ADD_TAGS = "add_tags"
    REMOVE_TAGS = "remove_tags"
    ADD_TASK = "add_task"
    ENROL = "enrol"

    @property
    def entity(self) -> Entity:
        """What the call is about."""
        return Entity.OPPORTUNITY if self.value.endswith("_opportunity") else Entity.CONTACT


UNSURE: Final = object()
"""The value of a field that a call without an answer may have written: like no other, so it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedOpportunity:
    """What we last wrote, or owe to be written, to the opportunity of one cycle.

    No *id* yet: its creation is owed. No *fields*: somebody else made it and we have written nothing.
    """

    id: str | None = None
    fields: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What we last wrote, or owe to be written, for one customer; opportunities by their cycle.

    A *contact_id* without fields in *contact*: found in GoHighLevel and adopted, nothing written yet. Fields
    without *contact_id*: its creation is owed.
    """

    contact_id: str | None = None
    contact: Fields = field(default_factory=dict)
    opportunities: Mapping[int, AppliedOpportunity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What GoHighLevel shows now, as far as it is known; opportunities by their id there."""

    contact: Fields | None = None
    opportunities: Mapping[str, Fields] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that is owed.

    *target* is the id there; None for what is created, and for an update behind a creation that is still
    owed. *fields* are flat: `pcd.crm.diff.body` makes the request's body, to which the sender adds
    ``locationId`` and ``contactId`` where something is created. *reuses* is the cycle whose opportunity a
    reset takes over.
    """

    kind: CallKind
    why: str
    fields: Fields
    target: str | None = None
    cycle: int | None = None
    reuses: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A field that somebody changed in GoHighLevel and that we leave so until ServiceTitan's facts change."""

    entity: Entity
    target: str
    field: str
    ours: object
    theirs: object
    cycle: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Fields that need no call, because they are so already or were adopted: to be noted as applied."""

    entity: Entity
    fields: Fields
    cycle: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The smallest list of calls, in order; what is left alone; what is to be noted without a call.

    *held* names in words what cannot be written before a person has put something right.
    """

    calls: tuple[Call, ...] = ()
    kept: tuple[Kept, ...] = ()
    settled: tuple[Settled, ...] = ()
    held: tuple[str, ...] = ()
