"""Judge a condition over facts. Pure; whatever cannot be judged is an error and never false."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

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
from pcd.workflows.conditions.values import comparable, kind
from pcd.workflows.conditions.write import write, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.workflows.conditions.condition import Condition, Operand, Value

_PRIVATE = frozenset({"customer", "location", "technician", "call", "event", "context"})


def evaluate(condition: Condition, facts: Mapping[str, Value]) -> bool:  # noqa: PLR0911 - one a kind of part
    """Return whether *condition* holds over *facts*; raises ConditionError when that cannot be said.

    A fact that is not in *facts* is unknown, which is an error; one that is None has no value, which
    equality, ``in`` and ``exists`` understand. ``and`` and ``or`` stop at the first part that decides.
    """
    match condition:
        case And(conditions=parts):
            return all(evaluate(part, facts) for part in parts)
        case Or(conditions=parts):
            return any(evaluate(part, facts) for part in parts)
        case Not(condition=inner):
            return not evaluate(inner, facts)
        case Holds(operand=operand):
            return _truth(operand, facts)
        case Compare():
            return _compare(condition, facts)
        case IsIn(operand=operand, options=options):
            value = _value(operand, facts)
            return any(_equal(value, _value(option, facts), option.column) for option in options)
        case Contains():
            return _contains(condition, facts)
        case Exists(fact=fact):
            return _value(fact, facts) is not None
        case _:
            assert_never(condition)


def why_not(condition: Condition, facts: Mapping[str, Value]) -> str:
    """Return, for a condition that does not hold, the part that decided and what its facts are.

    Texts that may say who somebody is are left out.
    """
    if isinstance(condition, And):
        condition = next(part for part in condition.conditions if not evaluate(part, facts))
        return why_not(condition, facts)
    names = dict.fromkeys(_named(condition))
    told = ", ".join(f"{name} is {written(facts[name])}" for name in names if _may_be_told(name, facts))
    return f"{write(condition)} does not hold" + (f": {told}" if told else "")


def _may_be_told(name: str, facts: Mapping[str, Value]) -> bool:
    """Whether a fact's value may be written down: it is known, and no text that says who somebody is."""
    is_private = name.partition(".")[0] in _PRIVATE and isinstance(facts.get(name), str | tuple)
    return name in facts and not is_private


def _named(condition: Condition) -> list[str]:
    match condition:
        case And(conditions=parts) | Or(conditions=parts):
            return [name for part in parts for name in _named(part)]
        case Not(condition=inner):
            return _named(inner)
        case Holds(operand=one):
            operands: tuple[Operand, ...] = (one,)
        case Compare(left=left, right=right) | Contains(whole=left, part=right):
            operands = (left, right)
        case IsIn(operand=one, options=options):
            operands = (one, *options)
        case Exists(fact=fact):
            operands = (fact,)
        case _:
            assert_never(condition)
    return [one.name for one in operands if isinstance(one, FactName)]


def _value(operand: Operand, facts: Mapping[str, Value]) -> Value:
    if isinstance(operand, Literal):
        return operand.value
    try:
        return facts[operand.name]
    except KeyError:
        raise ConditionError(f"{operand.name} is not known", column=operand.column) from None


def _truth(operand: Operand, facts: Mapping[str, Value]) -> bool:
    value = _value(operand, facts)
    if isinstance(value, bool):
        return value
    name = operand.name if isinstance(operand, FactName) else written(value)
    raise ConditionError(f"{name} is {kind(value)}, expected true or false", column=operand.column)


def _compare(condition: Compare, facts: Mapping[str, Value]) -> bool:
    left, right = _value(condition.left, facts), _value(condition.right, facts)
    match condition.operator:
        case Operator.EQUAL:
            return _equal(left, right, condition.column)
        case Operator.UNEQUAL:
            return not _equal(left, right, condition.column)
        case Operator.LESS:
            return _order(condition, left, right) < 0
        case Operator.AT_MOST:
            return _order(condition, left, right) <= 0
        case Operator.MORE:
            return _order(condition, left, right) > 0
        case Operator.AT_LEAST:
            return _order(condition, left, right) >= 0
        case _:
            assert_never(condition.operator)


def _equal(left: Value, right: Value, column: int) -> bool:
    if left is None or right is None:
        return left is right
    one, other = comparable(left, right, column)
    return bool(one == other)


def _order(condition: Compare, left: Value, right: Value) -> int:
    for operand, value in ((condition.left, left), (condition.right, right)):
        if value is None:
            name = operand.name if isinstance(operand, FactName) else "null"
            raise ConditionError(
                f"{name} has no value, which is neither more nor less; ask 'exists' first",
                column=operand.column,
            )
    one, other = comparable(left, right, condition.column)
    if isinstance(one, bool | tuple):
        raise ConditionError(f"{kind(left)} is neither more nor less", column=condition.column)
    return int(one > other) - int(one < other)


def _contains(condition: Contains, facts: Mapping[str, Value]) -> bool:
    whole, part = _value(condition.whole, facts), _value(condition.part, facts)
    if not isinstance(part, str):
        raise ConditionError(f"{kind(part)} is in no text or list", column=condition.part.column)
    if isinstance(whole, str | tuple):
        return part in whole
    raise ConditionError(f"{kind(whole)} contains nothing", column=condition.whole.column)
