"""Find out which facts have to be read, and what they come to. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, assert_never

from pcd.events.rules import RULES
from pcd.workflows.facts.catalogue import FACTS
from pcd.workflows.facts.fact import Column, Derived, Kind, Searched, Setting, Told
from pcd.workflows.facts.names import is_carried, is_open, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pcd.workflows.conditions.condition import Value
    from pcd.workflows.facts.fact import Around, Fact, Subject


_CENT = Decimal("0.01")
_MOST = Decimal(10) ** 20


def needed(names: Iterable[str]) -> frozenset[str]:
    """Return *names* and every fact that one of them follows from; raises ConditionError for no fact."""
    found: set[str] = set()
    waiting = [name for name in names if not is_open(name)]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in FACTS:
            raise unknown(name)
        found.add(name)
        fact = FACTS[name]
        if isinstance(fact.source, Derived):
            waiting += fact.source.needs
        if fact.default_fact:
            waiting.append(fact.default_fact)
    return frozenset(found)


def resolve(
    names: Iterable[str],
    found: Mapping[str, Value],
    subject: Subject,
    *,
    business: Mapping[str, str],
    around: Around,
) -> dict[str, Value]:
    """Return the facts in *names*, from what was *found* in the database and what is told.

    *found* has no entry for a column whose row is not there at all.
    """
    resolving = _Resolving(found, subject, business, around)
    return {name: value for name in names for value in resolving.values(name)}


class _Resolving:
    """What facts come to; each yields one value, or none where its row is not there."""

    def __init__(
        self, found: Mapping[str, Value], subject: Subject, business: Mapping[str, str], around: Around
    ) -> None:
        self._found = found
        self._subject = subject
        self._business = business
        self._around = around

    def values(self, name: str) -> Iterator[Value]:
        if name.startswith("event."):
            yield value_of(_inside(self._subject.event, name.removeprefix("event.")))
        elif name.startswith("context."):
            yield value_of(_inside(self._subject.context, name.removeprefix("context.")))
        else:
            yield from self._declared(FACTS[name])

    def _declared(self, fact: Fact) -> Iterator[Value]:
        for value in self._from_source(fact):
            if value is not None:
                yield value
            elif fact.default_fact:
                yield from self.values(fact.default_fact)
            else:
                yield fact.default

    def _from_source(self, fact: Fact) -> Iterator[Value]:
        source = fact.source
        match source:
            case Column(of=of):
                if fact.name in self._found:
                    yield self._found[fact.name]
                elif of not in {self._subject.entity_type, "customer"}:
                    yield None
            case Searched():
                yield self._found.get(fact.name)
            case Setting(key=key):
                yield self._business.get(key) or None
            case Told(key=key):
                if key in self._subject.told:
                    yield value_of(self._subject.told[key], fact.kind)
            case Derived(needs=needs, compute=compute):
                known = {name: value for name in needs for value in self.values(name)}
                if len(known) == len(needs):
                    yield compute(known, self._around)
            case _:
                assert_never(source)


def carried(event_type: str, payload: Mapping[str, Any], names: Iterable[str]) -> dict[str, Value]:
    """Return those of *names* that an event of *event_type* carries in its *payload*.

    They are the columns of its row, the customer's name, phone and e-mail, and ``event.<key>``.
    """
    rule = RULES[event_type]
    facts: dict[str, Value] = {}
    for name in names:
        if name.startswith("event."):
            facts[name] = value_of(_inside(payload, name.removeprefix("event.")))
            continue
        fact = FACTS.get(name)
        if fact is None or not isinstance(fact.source, Column) or not is_carried(name, rule):
            continue
        row = payload.get(fact.source.of)
        if isinstance(row, dict) and fact.source.column in row:
            value = value_of(row[fact.source.column], fact.kind)
            facts[name] = fact.default if value is None else value
    return facts


def value_of(value: object, kind: Kind = Kind.ANY) -> Value:
    """Return a value of the database or of JSON as conditions know it, read as *kind* where it is a text.

    What cannot be read so stays as it is: comparing it tells.
    """
    match value:
        case None | bool() | datetime() | date():
            return value
        case int() | float() | Decimal():
            return _number(value, kind)
        case str():
            return _read(value, kind)
        case list() | tuple():
            return tuple(map(str, value))
        case _:
            return str(value)


def _read(text: str, kind: Kind) -> Value:
    try:
        if kind in {Kind.NUMBER, Kind.MONEY}:
            return _number(Decimal(text), kind)
        if kind is Kind.DATE:
            return date.fromisoformat(text[:10])
        if kind is Kind.INSTANT:
            found = datetime.fromisoformat(text)
            return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except (ValueError, InvalidOperation):
        return text
    return text


def _number(value: float | Decimal, kind: Kind) -> int | Decimal:
    found = Decimal(str(value))
    if not found.is_finite() or found != found.to_integral_value():
        return found
    if kind is Kind.MONEY and abs(found) < _MOST:
        # Money shows its cents, whole or not.
        return found.quantize(_CENT)
    return int(found)


def _inside(tree: Mapping[str, Any], path: str) -> object:
    """Return what stands at a dotted *path*, None where nothing does."""
    found: object = tree
    for part in path.split("."):
        if not isinstance(found, dict) and not hasattr(found, "get"):
            return None
        found = found.get(part)
    return found
