"""The shapes of the catalogue of facts: what one is called, what kind of value it has, where it is from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

    from pcd.workflows.conditions.condition import Value

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Kind(StrEnum):
    """What values a fact has."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    TRUTH = "true or false"
    DATE = "date"
    INSTANT = "instant"
    LIST = "list"
    ANY = "any"


TYPES: Mapping[Kind, type | None] = MappingProxyType(
    {
        Kind.TEXT: str,
        Kind.NUMBER: Decimal,
        Kind.MONEY: Decimal,
        Kind.TRUTH: bool,
        Kind.DATE: date,
        Kind.INSTANT: datetime,
        Kind.LIST: tuple,
        Kind.ANY: None,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of what the instance is about, or of what belongs to it.

    *of* names the row (``"estimate"``, ``"customer"``), *sql* is the expression over it. *column* is the
    row's own column where the value is just that, so that an event that carries the row carries the fact.
    """

    of: str
    sql: str
    column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A key of the configuration's ``[business]`` section; empty means no value."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """Follows from other facts and from the time."""

    needs: tuple[str, ...]
    compute: Callable[[Mapping[str, Value], Around], Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the engine knows of the instance itself, under *key*."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What a statement of its own finds: *query* in this package's ``queries.sql``."""

    query: str


Source: TypeAlias = "Column | Setting | Derived | Told | Searched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact. *meaning* is for people.

    *default* is its value where the source has none, *default_fact* the fact that stands in for it; with
    neither it has no value (null).
    """

    name: str
    kind: Kind
    source: Source
    meaning: str
    default: Value = None
    default_fact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What facts may follow from besides other facts: the instant of judging and the business's zone."""

    now: datetime
    zone: ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What facts are about.

    *event* is the payload of the event that started the instance, *told* what the engine knows of the
    instance (``message_count``, ``name``, ``started_at``), *context* what steps have put there.
    """

    entity_type: str
    entity_id: int
    customer_id: int | None
    event: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    told: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    context: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
