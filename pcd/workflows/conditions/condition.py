"""The tree of a condition.

*column* is where a part begins in its text, from 1; it takes no part in comparisons, so that two texts that
mean the same have equal trees.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, assert_never

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal

Value: TypeAlias = "bool | int | Decimal | str | date | datetime | tuple[str, ...] | None"
"""What a fact or a literal may be. Instants are aware, money is Decimal, numbers are int where
they are whole, lists hold texts."""


class Operator(StrEnum):
    """How two values are compared."""

    EQUAL = "=="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A value that stands in the text."""

    value: Value
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactName:
    """A fact that is looked up when the condition is judged."""

    name: str
    column: int = field(default=1, compare=False)


Operand: TypeAlias = "Literal | FactName"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """A fact, or a literal, that is true or false by itself."""

    operand: Operand
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """Two values compared. Only equality knows null; the order of null is an error."""

    operator: Operator
    left: Operand
    right: Operand
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IsIn:
    """Whether a value equals one of *options*."""

    operand: Operand
    options: tuple[Operand, ...]
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains:
    """Whether a text holds a part, or a list an item; upper and lower case differ."""

    whole: Operand
    part: Operand
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exists:
    """Whether a fact has a value: it is there, and not null."""

    fact: FactName
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The contrary of a condition."""

    condition: Condition
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    """All of at least two conditions, judged from left to right until one does not hold."""

    conditions: tuple[Condition, ...]
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    """One of at least two conditions, judged from left to right until one holds."""

    conditions: tuple[Condition, ...]
    column: int = field(default=1, compare=False)


Condition: TypeAlias = "Holds | Compare | IsIn | Contains | Exists | Not | And | Or"

ALWAYS: Condition = Holds(operand=Literal(value=True))
"""The condition that always holds."""


def facts_of(condition: Condition) -> frozenset[str]:
    """Return the names of the facts that judging *condition* may ask for."""
    match condition:
        case Not(condition=inner):
            return facts_of(inner)
        case And(conditions=parts) | Or(conditions=parts):
            return frozenset().union(*map(facts_of, parts))
        case Holds(operand=one):
            return _names(one)
        case Compare(left=left, right=right) | Contains(whole=left, part=right):
            return _names(left, right)
        case IsIn(operand=one, options=options):
            return _names(one, *options)
        case Exists(fact=fact):
            return _names(fact)
        case _:
            assert_never(condition)


def _names(*operands: Operand) -> frozenset[str]:
    return frozenset(one.name for one in operands if isinstance(one, FactName))
