"""From what TOML or the environment holds to the value of a key."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from pcd.config import durations, schema
from pcd.config.secret import Secret, Url
from pcd.config.shape import Section

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


@dataclass(frozen=True, slots=True)
class Given:
    """A value somebody gave, and where.

    *is_text* values come from the environment, where everything is text and lists have commas. Relative
    paths start at *base*. *secret_file* holds the value in place of *value*.
    """

    value: Any  # whatever TOML holds
    origin: str
    base: Path = Path()
    is_text: bool = False
    secret_file: Path | None = None


@dataclass(slots=True)
class Problems:
    """What is wrong with the configuration, one sentence each, in the order found."""

    sentences: list[str] = field(default_factory=list)

    def add(self, key: str, given: Given, sentence: str) -> None:
        """Note that *key*, given where *given* says, is wrong."""
        self.sentences.append(f"{key} ({given.origin}): {sentence}")

    def add_unknown(self, name: str, given: Given, *, spelling: Callable[[str], str] = str) -> None:
        """Note that nothing is called *name*, and what is; *spelling* says how such a name is written."""
        near = schema.nearest(name)
        hint = f"; did you mean {spelling(near)}?" if near else ""
        self.add(spelling(name), given, f"unknown key{hint}")


class Unfit(ValueError):
    """The value does not fit; the text says what was expected."""


def convert(key: schema.Key, given: Given, problems: Problems) -> object:
    """Return the value for *key*; notes the problem and returns `msgspec.UNSET` when it does not fit."""
    try:
        if key.is_optional and given.value == "":
            return None
        value = _by_type(key, given, problems)
        if value is msgspec.UNSET:
            return value
        for rule in key.rules:
            value = rule.apply(value)
    except ValueError as error:
        problems.add(key.name, given, f"found {_describe(given.value, key)}, expected {error}")
        return msgspec.UNSET
    return value


def build(section: type[Section], given: Given, problems: Problems, *, name: str) -> object:
    """Return the *section* that the table of *given* describes, for tables that may repeat."""
    if not isinstance(given.value, dict):
        raise Unfit("a table")
    fields = schema.fields_of(section, f"{name}.")
    before = len(problems.sentences)
    for unknown in given.value.keys() - fields.keys():
        known = ", ".join(fields)
        problems.add(f"{name}.{unknown}", given, f"unknown key; known are {known}")
    values = {}
    for field_name, key in fields.items():
        if field_name in given.value:
            one = Given(given.value[field_name], given.origin, given.base)
            values[field_name] = convert(key, one, problems)
        elif key.default is msgspec.NODEFAULT:
            problems.add(key.name, given, "missing")
    return section(**values) if len(problems.sentences) == before else msgspec.UNSET


def _by_type(key: schema.Key, given: Given, problems: Problems) -> object:
    kind = typing.get_origin(key.type) or key.type
    if kind is tuple:
        return _tuple(key, given, problems)
    if kind is Mapping:
        return _mapping(key, given, problems)
    return _SCALARS[kind](given, key)


def _tuple(key: schema.Key, given: Given, problems: Problems) -> object:
    (item, _) = typing.get_args(key.type)
    if isinstance(item, type) and issubclass(item, Section):
        if not isinstance(given.value, list):
            raise Unfit(f"tables, each under [[{key.name}]] in the file")
        found = [
            build(item, Given(one, given.origin, given.base), problems, name=f"{key.name}[{number}]")
            for number, one in enumerate(given.value, start=1)
        ]
        return msgspec.UNSET if msgspec.UNSET in found else tuple(found)
    if given.is_text:
        return tuple(part.strip() for part in given.value.split(",") if part.strip())
    if not isinstance(given.value, list) or not all(isinstance(one, str) for one in given.value):
        raise Unfit('a list of strings, such as ["customers", "jobs"]')
    return tuple(given.value)


def _mapping(key: schema.Key, given: Given, problems: Problems) -> object:
    (_, item) = typing.get_args(key.type)
    if not isinstance(given.value, dict):
        raise Unfit(f"a table, under [{key.name}] in the file")
    if not all(re.fullmatch(r"[0-9]{1,19}", number) for number in given.value):
        raise Unfit("a table keyed by ServiceTitan ids")
    found = {
        int(number): build(item, Given(one, given.origin, given.base), problems, name=f"{key.name}.{number}")
        for number, one in given.value.items()
    }
    return msgspec.UNSET if msgspec.UNSET in found.values() else found


def _string(given: Given, key: schema.Key) -> str:
    if isinstance(given.value, str):
        return given.value
    if _is_int(given.value) and any(rule.takes_int for rule in key.rules):
        return str(given.value)
    raise Unfit("a string")


def _text(given: Given, _key: schema.Key) -> str:
    if not isinstance(given.value, str):
        raise Unfit("a string")
    return given.value


def _integer(given: Given, _key: schema.Key) -> int:
    if given.is_text and re.fullmatch(r"[+-]?[0-9]{1,18}", given.value):
        return int(given.value)
    if not _is_int(given.value):
        raise Unfit("a whole number")
    return int(given.value)


def _number(given: Given, _key: schema.Key) -> float:
    if given.is_text and re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]*)?", given.value):
        return float(given.value)
    if not _is_int(given.value) and not isinstance(given.value, float):
        raise Unfit("a number")
    return float(given.value)


def _boolean(given: Given, _key: schema.Key) -> bool:
    if given.is_text and given.value.strip().lower() in _WORDS:
        return _WORDS[given.value.strip().lower()]
    if not isinstance(given.value, bool):
        raise Unfit("true or false")
    return given.value


def _duration(given: Given, _key: schema.Key) -> timedelta:
    if _is_int(given.value) or isinstance(given.value, float):
        return durations.parse(str(given.value))
    if not isinstance(given.value, str):
        raise Unfit(durations.EXPECTED)
    return durations.parse(given.value)


def _path(given: Given, key: schema.Key) -> Path:
    text = _text(given, key)
    if not text or "\0" in text:
        raise Unfit("a path")
    try:
        return (given.base / Path(text).expanduser()).absolute()
    except RuntimeError:
        raise Unfit("a path without ~, because nobody's home folder is known") from None


_SCALARS: Mapping[Any, Callable[[Given, schema.Key], Any]] = {
    str: _string,
    int: _integer,
    float: _number,
    bool: _boolean,
    timedelta: _duration,
    Path: _path,
    Secret: lambda given, key: Secret(_text(given, key).strip()),
    Url: lambda given, key: Url(_text(given, key).strip()),
}


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _describe(value: object, key: schema.Key) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if key.is_secret:
        return "text that is not shown" if isinstance(value, str) else "something else than text"
    if isinstance(value, bool):
        return str(value).lower()
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return shown if len(shown) <= 80 else f'{shown[:77]}..."'
