"""What the database really holds: the tables as they are, not as declared."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import asyncpg

SCHEMA = "servicetitan"
"""Where the mirrored tables lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """One column that exists. *type* is as ``format_type`` writes it; *width* bounds its characters."""

    name: str
    type: str
    width: int | None = None
    generated: bool = False
    not_null: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableIndex:
    """One valid index; *columns* as SQL writes them (``"balance DESC"``), *where* without its WHERE."""

    name: str
    columns: tuple[str, ...]
    method: str = "btree"
    where: str = ""
    unique: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """One foreign key to table *references* of the same schema; *definition* restores it."""

    name: str
    references: str
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table that exists. *marks* are the comments on its triggers, by trigger name."""

    name: str
    schema: str = SCHEMA
    columns: Mapping[str, TableColumn] = field(default_factory=dict)
    indexes: tuple[TableIndex, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    primary_key: frozenset[str] = frozenset()
    marks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The tables of the mirror's schema by name, and the comments on our functions by name."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)


# Partitioned and plain tables; a view of the same name is somebody's report, not a table of ours.
_TABLES = """
SELECT
    c.oid::bigint AS id,
    c.relname AS name,
    (SELECT coalesce(json_agg(json_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, a.atttypmod),
        'width', CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4
                      THEN a.atttypmod - 4 END,
        'generated', a.attgenerated <> '' OR a.attidentity = 'a',
        'not_null', a.attnotnull
     ) ORDER BY a.attnum), '[]')
     FROM pg_attribute AS a
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::text AS columns,
    (SELECT coalesce(json_agg(json_build_object(
        'name', ic.relname,
        'method', am.amname,
        'unique', i.indisunique,
        'primary', i.indisprimary,
        'where', coalesce(pg_get_expr(i.indpred, i.indrelid, true), ''),
        'columns', (SELECT json_agg(pg_get_indexdef(i.indexrelid, k, true) || CASE i.indoption[k - 1]
                        WHEN 1 THEN ' DESC NULLS LAST'
                        WHEN 2 THEN ' NULLS FIRST'
                        WHEN 3 THEN ' DESC'
                        ELSE '' END ORDER BY k)
                    FROM generate_series(1, i.indnkeyatts) AS k)
     ) ORDER BY ic.relname), '[]')
     FROM pg_index AS i
     JOIN pg_class AS ic ON ic.oid = i.indexrelid
     JOIN pg_am AS am ON am.oid = ic.relam
     WHERE i.indrelid = c.oid AND i.indisvalid)::text AS indexes,
    (SELECT coalesce(json_agg(json_build_object(
        'name', k.conname,
        'references', target.relname,
        'definition', pg_get_constraintdef(k.oid)
     ) ORDER BY k.conname), '[]')
     FROM pg_constraint AS k
     JOIN pg_class AS target ON target.oid = k.confrelid
     WHERE k.conrelid = c.oid AND k.contype = 'f' AND target.relnamespace = c.relnamespace
    )::text AS foreign_keys,
    (SELECT coalesce(json_object_agg(t.tgname, obj_description(t.oid, 'pg_trigger')), '{}')
     FROM pg_trigger AS t
     WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)::text AS marks
FROM pg_class AS c
WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p')
ORDER BY c.relname
"""

_FUNCTIONS = """
SELECT p.proname AS name, coalesce(obj_description(p.oid, 'pg_proc'), '') AS mark
FROM pg_proc AS p
WHERE p.pronamespace = to_regnamespace('pcd')
"""


async def read(connection: asyncpg.Connection[Any]) -> Catalogue:
    """Return the tables of schema ``servicetitan`` as they are now."""
    rows = await connection.fetch(_TABLES, SCHEMA)
    functions = await connection.fetch(_FUNCTIONS)
    return Catalogue(
        tables=MappingProxyType({row["name"]: _table(row) for row in rows}),
        marks=MappingProxyType({row["name"]: row["mark"] for row in functions}),
    )


def _table(row: Mapping[str, Any]) -> Table:
    indexes = json.loads(row["indexes"])
    return Table(
        name=row["name"],
        columns=MappingProxyType({it["name"]: TableColumn(**it) for it in json.loads(row["columns"])}),
        indexes=tuple(_index(it) for it in indexes),
        foreign_keys=tuple(ForeignKey(**it) for it in json.loads(row["foreign_keys"])),
        primary_key=frozenset(_names(it["columns"] for it in indexes if it["primary"])),
        marks=MappingProxyType({name: mark or "" for name, mark in json.loads(row["marks"]).items()}),
    )


def _index(found: Mapping[str, Any]) -> TableIndex:
    return TableIndex(
        name=found["name"],
        columns=tuple(found["columns"]),
        method=found["method"],
        where=found["where"],
        unique=found["unique"],
    )


def _names(lists: Iterable[list[str]]) -> Iterable[str]:
    return (name for names in lists for name in names)
