"""The keys that exist, read off the structs of `pcd.config.shape`."""

from __future__ import annotations

import difflib
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from pcd.config.secret import Secret
from pcd.config.shape import Config, Section

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pcd.config.rules import Rule

_BOOKKEEPING = {"source", "origins"}
FILE_SUFFIX = "_file"


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its dotted *name*, the bare *type*, the *rules* on the value, and its *default*.

    *is_optional* keys take "" for "none".
    """

    name: str
    type: Any  # a class or a type form; they have no common type
    rules: tuple[Rule, ...]
    is_optional: bool = False
    default: object = None

    @property
    def is_secret(self) -> bool:
        """Whether the value must not be printed."""
        return isinstance(self.type, type) and issubclass(self.type, Secret)


def key_of(name: str, hint: object, default: object = None) -> Key:
    """Return the key that a field annotated with *hint* declares."""
    rules: tuple[Rule, ...] = ()
    is_optional = False
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        hint = next(option for option in typing.get_args(hint) if option is not type(None))
        is_optional = True
    if typing.get_origin(hint) is Annotated:
        hint, *found = typing.get_args(hint)
        rules = tuple(found)
    return Key(name=name, type=hint, rules=rules, is_optional=is_optional, default=default)


def fields_of(section: type[Section], prefix: str = "") -> Mapping[str, Key]:
    """Return the keys of *section* alone, by their bare names; *prefix* goes before their dotted names."""
    hints = typing.get_type_hints(section, include_extras=True)
    return {
        field.name: key_of(f"{prefix}{field.name}", hints[field.name], _default_of(field))
        for field in msgspec.structs.fields(section)
        if field.name not in _BOOKKEEPING
    }


def is_section(key: Key) -> bool:
    """Whether *key* is a section of its own and not a value."""
    return isinstance(key.type, type) and issubclass(key.type, Section)


def nearest(name: str) -> str:
    """Return the existing key or section that *name* was probably meant to be, or ""."""
    parent = name.rpartition(".")[0]
    known = [*KEYS, *SECTIONS, *(key.name + FILE_SUFFIX for key in KEYS.values() if key.is_secret)]
    siblings = [candidate for candidate in known if candidate.rpartition(".")[0] == parent]
    leaf = name.rpartition(".")[2]
    elsewhere = [candidate for candidate in known if candidate.rpartition(".")[2] == leaf]
    for candidates in (siblings, elsewhere, known):
        found = difflib.get_close_matches(name, candidates, n=1, cutoff=0.75 if candidates is known else 0.6)
        if found or (candidates is elsewhere and candidates):
            return (found or candidates)[0]
    return ""


def _walk(section: type[Section], prefix: str) -> list[tuple[str, Key]]:
    found = []
    for key in fields_of(section, prefix).values():
        found.append((key.name, key))
        if is_section(key):
            found.extend(_walk(key.type, f"{key.name}."))
    return found


def _default_of(field: msgspec.structs.FieldInfo) -> object:
    if field.default_factory is not msgspec.NODEFAULT:
        make: Callable[[], object] = field.default_factory
        return make()
    return msgspec.NODEFAULT if field.required else field.default


_ALL = _walk(Config, "")
# Every key that holds a value, by dotted name, in the order of the structs; and every section's name.
KEYS: Mapping[str, Key] = {name: key for name, key in _ALL if not is_section(key)}
SECTIONS: frozenset[str] = frozenset(name for name, key in _ALL if is_section(key))
