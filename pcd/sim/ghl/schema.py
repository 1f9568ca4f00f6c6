"""What a request's body may hold: one declaration an endpoint, and nothing beside it passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Kind(StrEnum):
    """What a property's value has to be."""

    TEXT = "text"
    EMAIL = "email"
    FLAG = "flag"
    NUMBER = "number"
    INSTANT = "instant"
    TEXTS = "texts"
    OBJECT = "object"
    OBJECTS = "objects"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property. *parts* are those of an object, or of each object of a list; empty for any."""

    kind: Kind = Kind.TEXT
    required: bool = False
    nullable: bool = False
    choices: tuple[str, ...] = ()
    parts: Mapping[str, Property] | None = None


Schema: TypeAlias = Mapping[str, Property]

TEXT = Property()
MAYBE = Property(nullable=True)
NEEDED = Property(required=True)
FLAG = Property(kind=Kind.FLAG)
NUMBER = Property(kind=Kind.NUMBER)
TEXTS = Property(kind=Kind.TEXTS)
ANY = Property(kind=Kind.ANY)
