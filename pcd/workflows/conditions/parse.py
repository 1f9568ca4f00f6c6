"""Read the text form of a condition. Pure, without evaluating anything, bounded in length and depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from pcd.workflows.conditions.tokens import WORDS, Token, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pcd.workflows.conditions.condition import Condition, Operand

DEEPEST = 32
"""How deep parentheses and ``not`` may nest."""

_CONSTANTS = {"true": True, "false": False, "null": None}
_OPERATORS = {operator.value: operator for operator in Operator}


def parse(text: str) -> Condition:
    """Return what *text* means; raises ConditionError with the column at which it stops to mean anything.

    Whether the facts in it exist and can be compared so, `check` tells.
    """
    reading = _Reading(tokens(text))
    found = reading.either()
    reading.expect_end()
    return found


class _Reading:
    """A text as it is read, one token ahead; one method for each rule of the grammar."""

    def __init__(self, source: Iterator[Token]) -> None:
        self._source = source
        self._next = next(source)
        self._depth = 0

    def either(self) -> Condition:
        """``both { "or" both }``."""
        return self._chain("or", self._both, Or)

    def expect_end(self) -> None:
        """Refuse anything that follows."""
        if self._next.kind != "end":
            raise self._error("expected 'and', 'or' or the end")

    def _both(self) -> Condition:
        return self._chain("and", self._one, And)

    def _chain(self, word: str, part: Callable[[], Condition], kind: type[And | Or]) -> Condition:
        column = self._next.column
        parts = [part()]
        while self._takes("word", word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else kind(conditions=tuple(parts), column=column)

    def _one(self) -> Condition:
        column = self._next.column
        if self._takes("word", "not"):
            with_one_more = self._deeper(self._one)
            return Not(condition=with_one_more, column=column)
        if self._takes("sign", "("):
            inner = self._deeper(self.either)
            self._require(")")
            return inner
        return self._comparison()

    def _deeper(self, part: Callable[[], Condition]) -> Condition:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"nested deeper than {DEEPEST}")
        found = part()
        self._depth -= 1
        return found

    def _comparison(self) -> Condition:  # noqa: PLR0911 - one a form
        left = self._operand()
        token = self._next
        if token.kind == "sign" and token.text in _OPERATORS:
            self._advance()
            operator = _OPERATORS[token.text]
            return Compare(operator=operator, left=left, right=self._operand(), column=left.column)
        if self._takes("word", "contains"):
            return Contains(whole=left, part=self._operand(), column=left.column)
        if self._takes("word", "in"):
            return self._options(left)
        negated = self._takes("word", "not")
        if negated and self._takes("word", "in"):
            return Not(condition=self._options(left), column=left.column)
        if negated and self._takes("word", "contains"):
            contains = Contains(whole=left, part=self._operand(), column=left.column)
            return Not(condition=contains, column=left.column)
        if self._takes("word", "exists"):
            found = Exists(fact=self._fact(left), column=left.column)
            return Not(condition=found, column=left.column) if negated else found
        if negated:
            raise self._error("expected 'in', 'contains' or 'exists' after 'not'")
        return Holds(operand=left, column=left.column)

    def _options(self, left: Operand) -> IsIn:
        closing = {"[": "]", "(": ")"}.get(self._next.text)
        if self._next.kind != "sign" or closing is None:
            raise self._error("expected a list such as ['Open', 'Sold'] after 'in'")
        self._advance()
        options = [self._operand()]
        while self._takes("sign", ","):
            options.append(self._operand())
        self._require(closing)
        return IsIn(operand=left, options=tuple(options), column=left.column)

    def _operand(self) -> Operand:
        token = self._next
        if token.kind == "value":
            self._advance()
            return Literal(value=token.value, column=token.column)
        if token.kind == "word" and token.text in _CONSTANTS:
            self._advance()
            return Literal(value=_CONSTANTS[token.text], column=token.column)
        if token.kind == "word" and token.text not in WORDS:
            self._advance()
            return FactName(name=token.text, column=token.column)
        raise self._error("expected a fact or a value")

    def _fact(self, operand: Operand) -> FactName:
        if isinstance(operand, FactName):
            return operand
        raise ConditionError("only a fact can exist or not", column=operand.column)

    def _takes(self, kind: str, text: str) -> bool:
        if (self._next.kind, self._next.text) != (kind, text):
            return False
        self._advance()
        return True

    def _require(self, sign: str) -> None:
        if not self._takes("sign", sign):
            raise self._error(f"expected {sign!r}")

    def _advance(self) -> None:
        self._next = next(self._source)

    def _error(self, message: str) -> ConditionError:
        found = f"{self._next.text!r}" if self._next.kind != "end" else "the end"
        return ConditionError(f"{message}, found {found}", column=self._next.column)
