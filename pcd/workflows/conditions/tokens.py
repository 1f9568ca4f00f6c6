"""Cut the text of a condition into tokens. Pure, and linear in the length of the text."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from pcd.errors import ConditionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pcd.workflows.conditions.condition import Value

LONGEST = 2000
"""How many characters a condition may have."""

WORDS = frozenset({"and", "or", "not", "in", "contains", "exists", "true", "false", "null"})

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<instant>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<number>-?\$?(?:(?<=\$)\d{1,3}(?:,\d{3})+|\d{1,20})(?:\.\d{1,12})?)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)
    | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<sign>==|!=|<>|<=|>=|&&|\|\||[=<>()\[\],!])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SAME = {"=": "==", "<>": "!=", "&&": "and", "||": "or", "!": "not"}


class Token(NamedTuple):
    """One token. *kind* is ``word``, ``sign``, ``value`` or ``end``; *column* counts from 1."""

    kind: str
    text: str
    column: int
    value: Value = None


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of *text* and an end; raises ConditionError at the first character that fits none."""
    if len(text) > LONGEST:
        raise ConditionError(f"a condition has at most {LONGEST} characters", column=LONGEST + 1)
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            raise ConditionError(_unexpected(text[place]), column=place + 1)
        if found.lastgroup != "space":
            yield _token(found.lastgroup, found.group(), place + 1)
        place = found.end()
    yield Token("end", "", len(text) + 1)


def _token(kind: str, text: str, column: int) -> Token:
    match kind:
        case "word":
            lower = text.lower()
            return Token("word", lower if lower in WORDS else text, column)
        case "sign":
            same = _SAME.get(text, text)
            return Token("word" if same.isalpha() else "sign", same, column)
        case "text":
            return Token("value", text, column, _ESCAPED.sub(r"\1", text[1:-1]))
        case "number":
            return Token("value", text, column, Decimal(text.replace("$", "").replace(",", "")))
        case _:
            return Token("value", text, column, _moment(text, kind, column))


def _moment(text: str, kind: str, column: int) -> date | datetime:
    try:
        if kind == "date":
            return date.fromisoformat(text)
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConditionError(f"{text} is no {kind}: {error}", column=column) from None
    if found.tzinfo is None:
        raise ConditionError(f"{text} does not say its zone; end it with Z or +00:00", column=column)
    return found


def _unexpected(character: str) -> str:
    if character in "'\"":
        return "this text does not end"
    return f"{character!r} has no meaning here"
