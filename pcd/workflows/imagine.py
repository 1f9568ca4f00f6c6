"""Make up an event that would start a workflow, and facts to go with it. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, assert_never

from pcd.events.rules import RULES
from pcd.workflows.conditions.condition import (
    And,
    Compare,
    FactName,
    Holds,
    IsIn,
    Literal,
    Operator,
)
from pcd.workflows.facts.catalogue import FACTS
from pcd.workflows.facts.fact import Column, Kind, Searched, Subject
from pcd.workflows.facts.resolve import value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.workflows.conditions.condition import Condition, Value
    from pcd.workflows.facts.fact import Fact
    from pcd.workflows.workflow import Workflow

_ID = 1
_SOON = timedelta(days=3)


def imagine_subject(workflow: Workflow, given: Mapping[str, Value]) -> Subject:
    """Return what a made-up event of the trigger is about; it carries the ``event.`` facts in *given*."""
    event: dict[str, Any] = {}
    for name, value in given.items():
        if name.startswith("event."):
            *way, last = name.removeprefix("event.").split(".")
            place = event
            for part in way:
                place = place.setdefault(part, {})
            place[last] = value
    rule = RULES[workflow.trigger.event]
    return Subject(entity_type=rule.entity, entity_id=_ID, customer_id=_ID, event=event)


def imagine_facts(workflow: Workflow, given: Mapping[str, Value], *, at: datetime) -> dict[str, Value]:
    """Return a value for each fact that is read: *given*, or fit for the trigger, or made up."""
    wanted = _wanted(workflow.trigger.condition)
    found: dict[str, Value] = {}
    for fact in FACTS.values():
        if isinstance(fact.source, Column | Searched):
            found[fact.name] = _made_up(fact, at)
    fitting = {
        name: value_of(value, FACTS[name].kind if name in FACTS else Kind.ANY)
        for name, value in wanted.items()
    }
    return {**found, **fitting, **given}


def read_given(name: str, text: str) -> Value:
    """Return what *text* says for the fact *name*; ``null``, ``true`` and ``false`` are themselves."""
    if text in {"null", "true", "false"}:
        return {"null": None, "true": True, "false": False}[text]
    fact = FACTS.get(name)
    return value_of(text, fact.kind if fact is not None else Kind.ANY)


def _made_up(fact: Fact, at: datetime) -> Value:  # noqa: PLR0911 - one a kind
    match fact.kind:
        case Kind.TEXT:
            return f"[{fact.name}]"
        case Kind.MONEY:
            return Decimal("1234.00")
        case Kind.NUMBER:
            return _ID
        case Kind.TRUTH:
            return fact.default if fact.default is not None else fact.name.endswith(".active")
        case Kind.DATE:
            return (at + _SOON).date()
        case Kind.INSTANT:
            return at + _SOON
        case Kind.LIST | Kind.ANY:
            return fact.default
        case _:
            assert_never(fact.kind)


def _wanted(condition: Condition) -> dict[str, Value]:
    """Return facts for which *condition* holds, as far as it is a chain of plain comparisons."""
    match condition:
        case And(conditions=parts):
            return {name: value for part in parts for name, value in _wanted(part).items()}
        case Holds(operand=FactName(name=name)):
            return {name: True}
        case IsIn(operand=FactName(name=name), options=(Literal(value=value), *_)):
            return {name: value}
        case Compare(operator=operator, left=FactName(name=name), right=Literal(value=value)):
            return _beyond(name, operator, value)
        case _:
            return {}


def _beyond(name: str, operator: Operator, value: Value) -> dict[str, Value]:
    match operator:
        case Operator.EQUAL | Operator.AT_LEAST | Operator.AT_MOST:
            return {name: value}
        case Operator.MORE | Operator.LESS:
            step = 1 if operator is Operator.MORE else -1
            if isinstance(value, bool) or value is None:
                return {}
            if isinstance(value, int | Decimal):
                return {name: value + step}
            return {name: value + step * timedelta(days=1)} if isinstance(value, date) else {}
        case Operator.UNEQUAL:
            return {}
        case _:
            assert_never(operator)
