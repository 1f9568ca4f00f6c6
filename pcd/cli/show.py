"""Tables and words for people on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


# A column of fewer characters would hold no word.
_NARROWEST = 10


def print_json(value: object) -> None:
    """Print *value* as indented JSON."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows under *heads*, columns aligned: numbers to the right, text to the left.

    On a terminal that is too narrow, text in the last column goes on below, where it began.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    is_number = [
        any(isinstance(value, (int, float)) for value in column) for column in zip(*rows, strict=True)
    ]
    widths = [max(len(text) for text in column) for column in zip(heads, *cells, strict=True)]
    right = is_number or [False] * len(heads)
    begin = sum(widths[:-1]) + 2 * (len(heads) - 1)
    room = (screen() or sys.maxsize) - begin

    def line(texts: Sequence[str]) -> str:
        pairs = zip(texts, widths, right, strict=True)
        return "  ".join(
            text.rjust(width) if to_right else text.ljust(width) for text, width, to_right in pairs
        )

    def lines(texts: Sequence[str]) -> Iterable[str]:
        *rest, last = texts
        if right[-1] or room < _NARROWEST or len(last) <= room:
            return [line(texts).rstrip()]
        first, *more = textwrap.wrap(last, room)
        return [line((*rest, first)).rstrip(), *(" " * begin + each for each in more)]

    return "\n".join(each for texts in (heads, *cells) for each in lines(texts))


def cut(text: str, *, width: int | None) -> str:
    """Return *text* with every line cut to *width* characters; whole where there is no width."""
    if width is None:
        return text
    lines = text.split("\n")
    return "\n".join(line if len(line) <= width else f"{line[: width - 1]}…" for line in lines)


def screen() -> int | None:
    """Return how wide the terminal is that we print to; None when we print to something else."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return int(columns)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def ago(seconds: float | None) -> str:
    """Return an age in words: ``"12 s ago"``, ``"never"`` for None."""
    return "never" if seconds is None else f"{length(seconds)} ago"


def length(seconds: float) -> str:
    """Return a length of time in its largest unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def since(text: str | None, *, now: datetime) -> str:
    """Return how long ago the ISO instant *text* was."""
    return ago(None if text is None else (now - datetime.fromisoformat(text)).total_seconds())


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever a table holds
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case None:
            return ""
        case _:
            return str(value)
