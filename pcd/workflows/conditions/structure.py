"""Read the structured form of a condition: ``{"estimate.total": {"$gte": 1000}}``. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from pcd.errors import ConditionError
from pcd.workflows.conditions.condition import ALWAYS, And, Compare, FactName, IsIn, Literal, Operator

if TYPE_CHECKING:
    from pcd.workflows.conditions.condition import Condition

_OPERATORS = {
    "$gte": Operator.AT_LEAST,
    "$lte": Operator.AT_MOST,
    "$gt": Operator.MORE,
    "$lt": Operator.LESS,
    "$ne": Operator.UNEQUAL,
}
OPERATORS = (*_OPERATORS, "$in")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_MOST = 100


def compile_structure(structure: object) -> Condition:
    """Return what *structure* means: every fact in it equals its value, or fits every operator given for it.

    Raises ConditionError, whose text names the fact and the nearest operator.
    """
    if not isinstance(structure, Mapping):
        raise ConditionError(f"expected facts with values or operators, found {structure!r}")
    if len(structure) > _MOST:
        raise ConditionError(f"more than {_MOST} facts")
    parts = [part for name, wanted in structure.items() for part in _parts(str(name), wanted)]
    if not parts:
        return ALWAYS
    return parts[0] if len(parts) == 1 else And(conditions=tuple(parts))


def _parts(name: str, wanted: object) -> list[Condition]:
    if not _NAME.fullmatch(name):
        raise ConditionError(f"{name!r} cannot be the name of a fact")
    fact = FactName(name=name)
    if not isinstance(wanted, Mapping):
        return [Compare(operator=Operator.EQUAL, left=fact, right=_literal(name, wanted))]
    if not wanted:
        raise ConditionError(f"{name}: no operator; expected one of {', '.join(OPERATORS)}")
    return [_part(fact, str(operator), value) for operator, value in wanted.items()]


def _part(fact: FactName, operator: str, value: object) -> Condition:
    if operator == "$in":
        if not isinstance(value, list | tuple) or not value:
            raise ConditionError(f"{fact.name}: $in needs a list of values, found {value!r}")
        return IsIn(operand=fact, options=tuple(_literal(fact.name, one) for one in value))
    if operator not in _OPERATORS:
        near = difflib.get_close_matches(operator, OPERATORS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(OPERATORS)}"
        raise ConditionError(f"{fact.name}: there is no operator {operator!r}{hint}")
    return Compare(operator=_OPERATORS[operator], left=fact, right=_literal(fact.name, value))


def _literal(name: str, value: object) -> Literal:
    if value is None or isinstance(value, bool | str):
        return Literal(value=value)
    if isinstance(value, int | float | Decimal) and (found := Decimal(str(value))).is_finite():
        return Literal(value=found)
    raise ConditionError(f"{name}: {value!r} is no text, number, true, false or null")
