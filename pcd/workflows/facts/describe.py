"""Say in words which facts there are. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, assert_never

from pcd.workflows.conditions.write import written
from pcd.workflows.facts.declared import DECLARED
from pcd.workflows.facts.fact import Column, Derived, Searched, Setting, Told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pcd.workflows.facts.fact import Fact, Source


class Row(NamedTuple):
    """A fact as a line of a table."""

    fact: str
    kind: str
    source: str
    default: str
    meaning: str


def rows() -> list[Row]:
    """Return every declared fact, in the order of the catalogue."""
    return [
        Row(fact.name, fact.kind.value, _source(fact.source), _default(fact), fact.meaning)
        for fact in DECLARED
    ]


def markdown(facts: Iterable[Row]) -> str:
    """Return the table of all facts for the documentation."""
    lines = ["| fact | kind | where from | default | meaning |", "|---|---|---|---|---|"]
    lines += [
        f"| `{one.fact}` | {one.kind} | {one.source} | {one.default} | {one.meaning} |" for one in facts
    ]
    return "\n".join(lines) + "\n"


def _default(fact: Fact) -> str:
    if fact.default_fact:
        return fact.default_fact
    return "" if fact.default is None else written(fact.default)


def _source(source: Source) -> str:
    match source:
        case Column(of=of, column=column):
            return f"{of}.{column}" if column else f"the {of}"
        case Setting(key=key):
            return f"business.{key}"
        case Derived(needs=needs):
            return ", ".join(needs) or "the clock"
        case Told():
            return "the instance"
        case Searched():
            return "the mirror"
        case _:
            assert_never(source)
