"""The shapes of a declaration: a resource, its columns, its endpoints.

A resource is declared once, as a `Resource` value in one of this package's modules. Its table,
its projection, its requests, its schedule, its metrics labels, its simulator endpoint and its name
on the command line all follow from that value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARCHAR = re.compile(r"varchar\((\d+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a mirrored table.

    *type* is the SQL type that a new table gets; an adopted table keeps its own. *path* leads to the
    value inside the record, from the top; an empty path means that the record does not hold it
    (another projection fills it, or the old system did). *sql* replaces the path where a path cannot
    say it: an SQL expression over the jsonb value ``d``. *known* are the values that we expect; any
    other is stored all the same, counted, and logged once. *tracked* columns are remembered, before
    and after, with each change of the row.
    """

    name: str
    type: str
    path: tuple[str, ...] = ()
    sql: str = ""
    default: str = ""
    known: frozenset[str] = frozenset()
    tracked: bool = False

    @property
    def is_projected(self) -> bool:
        """Whether the value comes from the record."""
        return bool(self.path or self.sql)

    @property
    def width(self) -> int | None:
        """How many characters fit, or None where there is no bound."""
        found = _VARCHAR.fullmatch(self.type)
        return int(found.group(1)) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One index: *columns* as SQL writes them (``"balance DESC"`` is fine), *where* for a partial one."""

    columns: tuple[str, ...]
    where: str = ""
    method: str = "btree"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEndpoint:
    """A paged collection: ``{page, pageSize, hasMore, totalCount, data}``.

    *inactive* is how this endpoint spells "include inactive records". *ids* tells whether it looks up
    up to 50 ids at once, *modified* whether it filters by modification date, *needs_modified* whether
    it refuses to answer without that filter. *sort* is a sort that keeps pages stable, or "".

    Source: ServiceTitan's OpenAPI documents of 2026-05-21.
    """

    path: str
    page_size: int = 5000
    first_page: int = 1
    inactive: Mapping[str, str] = field(default_factory=dict)
    ids: bool = False
    modified: bool = True
    needs_modified: bool = False
    sort: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportEndpoint:
    """A continuation feed: ``{hasMore, continueFrom, data}``. *params* are sent with every request."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One upstream collection and everything that follows from it.

    *name* is the word on the command line, in logs and metrics (``"customers"``). *table* lies in
    schema ``servicetitan``; several resources may share one, told apart by *constants* (column =
    value). *reference* resources are small and loaded before the others. *fresh* resources bear
    events and take part in the fresh pass. *modified* names the field that holds the modification
    instant, "" where the record has none. *documented* are the top-level fields that upstream
    documents; any other field of a record is stored all the same, counted, and logged once.
    """

    name: str
    table: str
    scope: str
    columns: tuple[Column, ...]
    list: ListEndpoint | None = None
    export: ExportEndpoint | None = None
    indexes: tuple[Index, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    reference: bool = False
    fresh: bool = False
    modified: str = "modifiedOn"
    documented: frozenset[str] = frozenset()
    version: int = 1

    @property
    def projected(self) -> tuple[Column, ...]:
        """The columns whose value comes from the record, in declaration order."""
        return tuple(column for column in self.columns if column.is_projected)

    @property
    def tracked(self) -> tuple[Column, ...]:
        """The columns remembered with each change."""
        return tuple(column for column in self.columns if column.tracked)


def col(  # noqa: PLR0913 - one keyword each for what a column can say
    name: str,
    type: str,  # noqa: A002 - the field's word
    path: str = "",
    *,
    sql: str = "",
    default: str = "",
    known: str = "",
    tracked: bool = False,
) -> Column:
    """Return a column; *path* is dotted (``"address.street"``), *known* space separated."""
    return Column(
        name=name,
        type=type,
        path=tuple(path.split(".")) if path else (),
        sql=sql,
        default=default,
        known=frozenset(known.split()),
        tracked=tracked,
    )


def index(*columns: str, where: str = "", method: str = "btree") -> Index:
    """Return an index over *columns*."""
    return Index(columns=columns, where=where, method=method)
