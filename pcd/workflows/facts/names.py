"""Which names are facts, for which events, and what was meant by one that is none. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pcd.errors import ConditionError
from pcd.events.describe import payload
from pcd.events.rules import RULES
from pcd.tables import RESOURCES
from pcd.workflows.facts.catalogue import FACTS, ROWS
from pcd.workflows.facts.fact import TYPES, Column, Derived

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pcd.events.event import EventRule

_STAMPS = ("st_id", "st_created_on", "st_modified_on")


def is_open(name: str) -> bool:
    """Whether *name* is of what no catalogue knows: the event's payload or the instance's context."""
    return name.startswith(("event.", "context."))


def unknown(name: str, *, also: Iterable[str] = ()) -> ConditionError:
    """Return the error that says that *name* is no fact, and which one was probably meant."""
    near = difflib.get_close_matches(name, [*FACTS, *also], n=1, cutoff=0.6)
    if not near and "." not in name:
        near = [fact for fact in FACTS if fact.rpartition(".")[2] == name][:1]
    hint = f"; did you mean {near[0]}?" if near else "; `pcd workflow facts` lists them"
    quoted = "" if near or "." in name else f"; a text stands in quotes: '{name}'"
    return ConditionError(f"there is no fact {name}{quoted or hint}")


def kinds_for(event_type: str, rows: frozenset[str]) -> Callable[[str], type | None]:
    """Return what tells the type of a fact in a workflow that *event_type* starts.

    *rows* are those of which its instances know facts. It raises ConditionError for a name that is no fact,
    or none of such an instance.
    """
    rule = RULES[event_type]

    def kind_of(name: str) -> type | None:
        if name.startswith("context."):
            return None
        if name.startswith("event."):
            _refuse_what_is_not_carried(name, rule)
            return None
        if name not in FACTS:
            raise unknown(name)
        for of in _rows_of(name):
            if of not in rows:
                raise ConditionError(f"{name}: what {event_type} is about ({rule.entity}) has no {of}")
        return TYPES[FACTS[name].kind]

    return kind_of


def kinds_at(event_type: str) -> Callable[[str], type | None]:
    """Return what tells the type of a fact that an event of *event_type* carries itself."""
    rule = RULES[event_type]

    def kind_of(name: str) -> type | None:
        if name.startswith("event."):
            _refuse_what_is_not_carried(name, rule)
            return None
        if name not in FACTS:
            raise unknown(name)
        if not is_carried(name, rule):
            when = f"is not known yet when {event_type} is recorded"
            raise ConditionError(f"{name} {when}; use it in a step's condition or a stop")
        return TYPES[FACTS[name].kind]

    return kind_of


def is_carried(name: str, rule: EventRule) -> bool:
    """Whether an event of *rule* carries the fact *name* with it."""
    source = FACTS[name].source
    if not isinstance(source, Column) or not source.column:
        return False
    if source.of == "customer" and rule.row != "customer":
        return source.column in {"name", "phone", "email"}
    return source.of == rule.row


def _refuse_what_is_not_carried(name: str, rule: EventRule) -> None:
    """Raise ConditionError for a key that events of *rule* do not carry; the kinds of the others are open."""
    key, _, rest = name.removeprefix("event.").partition(".")
    keys = payload(rule)
    if key not in keys:
        raise unknown(name, also=[f"event.{one}" for one in keys])
    if key == rule.row and rest:
        columns = [*_STAMPS, *(column.name for column in RESOURCES[rule.resource].columns)]
        if rest.partition(".")[0] not in columns:
            raise unknown(name, also=[f"event.{key}.{column}" for column in columns])


def _rows_of(name: str) -> set[str]:
    """Return the rows that a fact is read from, those aside that every customer may lack."""
    source = FACTS[name].source
    if isinstance(source, Column):
        return {source.of} & set(ROWS)
    if isinstance(source, Derived):
        return set().union(*map(_rows_of, source.needs)) if source.needs else set()
    return set()
