"""Check a condition before it is ever judged: do its facts exist, can they be compared so. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias, assert_never

from pcd.errors import ConditionError
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
    Operator,
    Or,
)
from pcd.workflows.conditions.evaluate import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pcd.workflows.conditions.condition import Condition, Operand, Value

Kinds: TypeAlias = "Callable[[str], type | None]"
"""Returns the type of a fact's values, None where any is possible; raises ConditionError for no fact."""

_SAMPLES: dict[type, Value] = {
    bool: True,
    Decimal: Decimal(1),
    date: date(2026, 1, 2),
    datetime: datetime(2026, 1, 2, tzinfo=UTC),
    tuple: ("a",),
}


def check(condition: Condition, kinds: Kinds) -> list[ConditionError]:
    """Return all that is wrong with *condition*, in the order of the text."""
    found = list(_problems(condition, kinds))
    return sorted(found, key=lambda error: error.column)


def _problems(condition: Condition, kinds: Kinds) -> Iterator[ConditionError]:
    match condition:
        case Not(condition=inner):
            yield from _problems(inner, kinds)
        case And(conditions=parts) | Or(conditions=parts):
            for part in parts:
                yield from _problems(part, kinds)
        case Holds(operand=operand):
            yield from _try(condition, (operand,), kinds)
        case Compare(left=left, right=right) | Contains(whole=left, part=right):
            yield from _try(condition, (left, right), kinds)
        case IsIn(operand=operand, options=options):
            for option in options:
                pair = Compare(operator=Operator.EQUAL, left=operand, right=option, column=option.column)
                found = list(_try(pair, (operand, option), kinds))
                yield from found
                if any(error.column == operand.column for error in found):
                    return
        case Exists(fact=fact):
            yield from _try(condition, (fact,), kinds)
        case _:
            assert_never(condition)


def _try(condition: Condition, operands: tuple[Operand, ...], kinds: Kinds) -> Iterator[ConditionError]:
    """Judge one comparison over samples of the right types: what cannot be judged there never can."""
    facts: dict[str, Value] = {}
    unclear = False
    for operand in operands:
        if not isinstance(operand, FactName):
            continue
        try:
            found = kinds(operand.name)
        except ConditionError as error:
            unclear = True
            yield ConditionError(error.message, column=operand.column)
            continue
        if found is None:
            unclear = True
        else:
            facts[operand.name] = _sample(found, operands)
    if unclear:
        return
    try:
        evaluate(condition, facts)
    except ConditionError as error:
        yield error


def _sample(kind: type, operands: tuple[Operand, ...]) -> Value:
    """Return a value of *kind*; a text may be written like whatever it is compared with."""
    if kind is not str:
        return _SAMPLES[kind]
    other = next((one.value for one in operands if isinstance(one, Literal)), "")
    match other:
        case datetime() | date():
            return other.isoformat()
        case _:
            return "a"
