"""What happens to customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.events.event import Becomes, Created, EventRule, Moves
from pcd.events.rules.states import changed, what_changed

if TYPE_CHECKING:
    from pcd.changes.change import State
    from pcd.events.event import Surroundings

_WATCHED = (
    "name",
    "email",
    "phone",
    "address_line1",
    "city",
    "zip",
    "active",
    "do_not_service",
    "do_not_mail",
)
_PAYLOAD = {"customerId": "st_id", "name": "name", "phone": "phone", "email": "email", "active": "active"}


def _is_updated(before: State, after: State) -> bool:
    return bool(changed(before, after, *_WATCHED)) and not changed(before, after, "merged_to_id")


def _is_merged(state: State, _: Surroundings) -> bool:
    return state.get("merged_to_id") is not None


CUSTOMER_CREATED = EventRule(
    type="customer_created",
    entity="customer",
    resource="customers",
    columns=("name",),
    meaning="A customer who was never here before arrives.",
    when=Created(),
    once=True,
    payload=_PAYLOAD,
    row="customer",
    customer="st_id",
)

CUSTOMER_UPDATED = EventRule(
    type="customer_updated",
    entity="customer",
    resource="customers",
    columns=(*_WATCHED, "merged_to_id"),
    meaning="Name, e-mail, phone, address, active or a do-not flag changes, except by a merge; a balance that"
    " moves is none.",
    when=Moves(columns=_WATCHED, test=_is_updated),
    payload=_PAYLOAD,
    row="customer",
    computed_keys=("changed", "before"),
    compute=what_changed(*_WATCHED),
    customer="st_id",
)

CUSTOMER_MERGED = EventRule(
    type="customer_merged",
    entity="customer",
    resource="customers",
    columns=("merged_to_id",),
    meaning="The customer is merged into another one, or arrives so.",
    when=Becomes(test=_is_merged),
    payload=_PAYLOAD | {"mergedToId": "merged_to_id"},
    row="customer",
    customer="st_id",
)

RULES = (CUSTOMER_CREATED, CUSTOMER_UPDATED, CUSTOMER_MERGED)
