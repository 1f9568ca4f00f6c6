"""Write a condition as text that means the same. Pure."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, assert_never

from pcd.workflows.conditions.condition import (
    And,
    Compare,
    Contains,
    Exists,
    FactName,
    Holds,
    IsIn,
    Literal,
    Not,
    Or,
)

if TYPE_CHECKING:
    from pcd.workflows.conditions.condition import Condition, Operand, Value


def write(condition: Condition) -> str:  # noqa: C901, PLR0911 - one a kind of part
    """Return *condition* as `parse` reads it."""
    match condition:
        case Or(conditions=parts):
            return " or ".join(_inside(part, Or) for part in parts)
        case And(conditions=parts):
            return " and ".join(_inside(part, Or, And) for part in parts)
        case Not(condition=IsIn(operand=operand, options=options)):
            return f"{_operand(operand)} not in {_list(options)}"
        case Not(condition=Contains(whole=whole, part=part)):
            return f"{_operand(whole)} not contains {_operand(part)}"
        case Not(condition=Exists(fact=fact)):
            return f"{fact.name} not exists"
        case Not(condition=inner):
            return f"not {_inside(inner, Or, And)}"
        case Holds(operand=operand):
            return _operand(operand)
        case Compare(operator=operator, left=left, right=right):
            return f"{_operand(left)} {operator.value} {_operand(right)}"
        case IsIn(operand=operand, options=options):
            return f"{_operand(operand)} in {_list(options)}"
        case Contains(whole=whole, part=part):
            return f"{_operand(whole)} contains {_operand(part)}"
        case Exists(fact=fact):
            return f"{fact.name} exists"
        case _:
            assert_never(condition)


def written(value: Value) -> str:
    """Return a value as a condition writes it; lists, which have no literal, in brackets."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{escaped}'"
        case int() | Decimal():
            return f"{value:f}" if isinstance(value, Decimal) else str(value)
        case datetime() | date():
            return value.isoformat()
        case tuple():
            return f"[{', '.join(map(written, value))}]"
        case _:
            assert_never(value)


def _inside(condition: Condition, *weaker: type) -> str:
    text = write(condition)
    return f"({text})" if isinstance(condition, weaker) else text


def _operand(operand: Operand) -> str:
    match operand:
        case Literal(value=value):
            return written(value)
        case FactName(name=name):
            return name
        case _:
            assert_never(operand)


def _list(options: tuple[Operand, ...]) -> str:
    return f"[{', '.join(map(_operand, options))}]"
