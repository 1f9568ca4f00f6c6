"""Texts with facts in them: how they are read, what they need, and what they say.

A text is a Jinja2 template of a small kind: facts, filters, conditions and loops, no calls. The old
``{customer.name}`` is read as ``{{ customer.name }}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import jinja2
    from jinja2 import nodes

LONGEST = 100_000
"""The most characters that a text may come to."""

_OLD = re.compile(r"(?<!\{)\{([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\}(?!\})")
_FILTERS = (
    "capitalize", "default", "escape", "first", "float", "int", "join", "last", "length", "lower",
    "round", "title", "trim", "truncate", "upper",
)  # fmt: skip
_TESTS = (
    "defined",
    "undefined",
    "none",
    "string",
    "number",
    "sameas",
    "in",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
)
_DEEPEST_LOOP = 2


@dataclass(frozen=True, slots=True)
class Text:
    """A text that was read. *needs* are the facts without which it cannot be said, *uses* all others."""

    source: str
    needs: frozenset[str]
    uses: frozenset[str]

    @property
    def facts(self) -> frozenset[str]:
        """Every fact that it mentions, by dotted name."""
        return self.needs | self.uses


def missing(text: Text, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the facts that *text* needs and *facts* (by dotted name) has not, or has empty; sorted."""
    return tuple(sorted(name for name in text.needs if _is_empty(facts.get(name))))


def translate(source: str) -> str:
    """Return *source* with every ``{a.b}`` of the old system as ``{{ a.b }}``."""
    return _OLD.sub(r"{{ \1 }}", source)


@lru_cache(maxsize=512)
def parse(source: str) -> Text:
    """Return *source* as a text; raises ValueError, with the line, for one that cannot be read."""
    import jinja2

    if "{" not in source:
        return Text(source, frozenset(), frozenset())
    environment = _environment(html=False)
    try:
        text = _read(environment.parse(translate(source)), source)
        environment.from_string(translate(source))
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.message}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return text


def parse_all(value: object) -> tuple[Text, ...]:
    """Return every text in a tree of JSON values; raises ValueError for one that cannot be read."""
    match value:
        case str():
            return (parse(value),)
        case Mapping():
            return tuple(text for one in value.values() for text in parse_all(one))
        case list() | tuple():
            return tuple(text for one in value for text in parse_all(one))
        case _:
            return ()


def render(text: Text, facts: Mapping[str, Any], *, zone: ZoneInfo, html: bool = False) -> str:
    """Return what *text* says with *facts*, by dotted name; with *html* their values are escaped.

    Instants are told in *zone*, amounts with two decimals. Raises ValueError, naming the fact, for one that
    is missing or empty, and for what is longer than LONGEST.
    """
    import jinja2

    if absent := missing(text, facts):
        raise ValueError(f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} missing")
    template = _environment(html=html).from_string(translate(text.source))
    pieces, length = [], 0
    try:
        for piece in template.generate(_nested(text.facts, facts, zone)):
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST:
                raise ValueError(f"the text is longer than {LONGEST:,} characters")
    except jinja2.UndefinedError as error:
        absent = tuple(sorted(name for name in text.uses if _is_empty(facts.get(name))))
        raise ValueError(f"{' or '.join(absent) or 'a fact'} is missing: {error.message}") from error
    except (jinja2.TemplateError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"the text cannot be put together: {error}") from error
    return "".join(pieces).strip()


def told(value: object) -> str:  # noqa: PLR0911 - one a type
    """Return *value* as people write it; raises TypeError for what is no text."""
    match value:
        case bool():
            return "yes" if value else "no"
        case Decimal() if value.as_tuple().exponent == 0:
            return str(value)
        case Decimal():
            return f"{value:,.2f}"
        case datetime():
            return f"{_date(value)} at {_time(value)}"
        case date():
            return _date(value)
        case time():
            return _time(value)
        case str() | int() | float():
            return str(value)
        case _:
            raise TypeError(f"{type(value).__name__} is no text")


@lru_cache(maxsize=2)
def _environment(*, html: bool) -> jinja2.Environment:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Absent(jinja2.StrictUndefined):
        """A fact that is missing: a condition may ask for it, nothing can say it."""

        __slots__ = ()

        def __bool__(self) -> bool:  # type: ignore[override]  # theirs always raises
            return False

    environment = ImmutableSandboxedEnvironment(
        undefined=Absent, autoescape=html, finalize=_finalize, keep_trailing_newline=True
    )
    environment.filters = {name: environment.filters[name] for name in _FILTERS} | {
        "date": _date,
        "money": lambda value: f"{Decimal(str(value)):,.2f}",
        "time": _time,
        "weekday": lambda value: f"{value:%A}",
    }
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    environment.globals = {}
    return environment


def _finalize(value: object) -> object:
    import jinja2

    if value is None:
        raise jinja2.UndefinedError("there is no value")
    return value if isinstance(value, Markup | jinja2.Undefined) else told(value)


def _date(value: date) -> str:
    return f"{value:%B} {value.day}, {value.year}"


def _time(value: datetime | time) -> str:
    return f"{value.hour % 12 or 12}:{value:%M %p}"


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _nested(names: frozenset[str], facts: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Return the facts as Jinja2 looks them up; every fact's way leads somewhere, missing ones excepted."""
    root: dict[str, Any] = {}
    for name in sorted(names):
        *way, last = name.split(".")
        place = root
        for part in way:
            place = place.setdefault(part, {})
        value = facts.get(name)
        if not _is_empty(value):
            place[last] = value.astimezone(zone) if isinstance(value, datetime) else value
    return root


def _read(tree: nodes.Template, source: str) -> Text:
    reader = _Reader()
    reader.read(tree, guarded=False, hidden=frozenset())
    return Text(source, frozenset(reader.needs), frozenset(reader.uses - reader.needs))


class _Reader:
    """Collects the facts of a template's tree, and refuses what a text has no use for."""

    def __init__(self) -> None:
        self.needs: set[str] = set()
        self.uses: set[str] = set()

    def read(self, node: nodes.Node, *, guarded: bool, hidden: frozenset[str], loops: int = 0) -> None:
        """Read *node*; *guarded* facts need not be there, *hidden* names are a loop's own."""
        from jinja2 import nodes as n

        match node:
            case n.Name() | n.Getattr():
                self._note(node, guarded=guarded, hidden=hidden)
            case n.Filter(name="default") | n.Test(name="defined" | "undefined" | "none"):
                self._read_all(node, guarded=True, hidden=hidden, loops=loops)
            case n.If() | n.CondExpr():
                self._read_all(node, guarded=True, hidden=hidden, loops=loops)
            case n.For() if loops < _DEEPEST_LOOP and not node.recursive:
                self.read(node.iter, guarded=guarded, hidden=hidden, loops=loops)
                own = (
                    hidden
                    | {"loop"}
                    | {name.name for name in node.target.find_all(n.Name)}
                    | _name(node.target)
                )
                for child in (*node.body, *node.else_, *([node.test] if node.test else [])):
                    self.read(child, guarded=True, hidden=own, loops=loops + 1)
            case _ if isinstance(node, _allowed()):
                self._read_all(node, guarded=guarded, hidden=hidden, loops=loops)
            case _:
                raise ValueError(f"line {node.lineno}: {type(node).__name__.lower()} has no place in a text")

    def _read_all(self, node: nodes.Node, *, guarded: bool, hidden: frozenset[str], loops: int) -> None:
        for child in node.iter_child_nodes():
            self.read(child, guarded=guarded, hidden=hidden, loops=loops)

    def _note(self, node: nodes.Node, *, guarded: bool, hidden: frozenset[str]) -> None:
        from jinja2 import nodes as n

        parts: list[str] = []
        while isinstance(node, n.Getattr):
            parts.append(node.attr)
            node = node.node
        if not isinstance(node, n.Name):
            self.read(node, guarded=guarded, hidden=hidden)
        elif node.name not in hidden:
            (self.uses if guarded else self.needs).add(".".join([node.name, *reversed(parts)]))


def _name(target: nodes.Node) -> frozenset[str]:
    from jinja2 import nodes as n

    return frozenset({target.name}) if isinstance(target, n.Name) else frozenset()


@lru_cache(maxsize=1)
def _allowed() -> tuple[type[nodes.Node], ...]:
    from jinja2 import nodes as n

    return (
        n.Add, n.And, n.Compare, n.Concat, n.Const, n.Filter, n.Getitem, n.List, n.Neg, n.Not, n.Operand,
        n.Or, n.Output, n.Pos, n.Sub, n.Template, n.TemplateData, n.Test, n.Tuple,
    )  # fmt: skip
