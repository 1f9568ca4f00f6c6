"""What must be done to a database so that it can hold the mirror. Pure: a catalogue in, statements out.

A table that exists is adopted: nothing is dropped, retyped or renamed. The one exception is what would
refuse real records, foreign keys between mirrored tables and NOT NULLs that upstream leaves null: these are
relaxed, and ``pcd.relaxed`` keeps the statement that restores each.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from pcd.tables.catalogue import SCHEMA, Table, TableColumn
from pcd.tables.expressions import family
from pcd.tables.quote import literal, qualified, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pcd.tables.catalogue import Catalogue, TableIndex
    from pcd.tables.spec import Column, Index, Resource

FOREIGN_WRITE = "pcd_foreign_write"
"""The trigger on each mirrored table that notices writes which are not ours."""

_OURS_BEFORE = (
    ("id", "uuid", "DEFAULT gen_random_uuid()", "PRIMARY KEY"),
    ("st_id", "bigint", "", "NOT NULL UNIQUE"),
    ("tenant_id", "bigint", "", "NOT NULL"),
)
_OURS_AFTER = (
    ("active", "boolean", "", ""),
    ("st_created_on", "timestamptz", "", ""),
    ("st_modified_on", "timestamptz", "", ""),
    ("local_synced_at", "timestamptz", "DEFAULT now()", ""),
    ("local_created_at", "timestamptz", "DEFAULT now()", ""),
    ("full_data", "jsonb", "", "NOT NULL"),
    ("st_deleted_at", "timestamptz", "", ""),
    ("pcd_hash", "bytea", "", ""),
    ("pcd_modified", "text", "", ""),
    ("pcd_as_of", "timestamptz", "", ""),
)
_ALWAYS_PRESENT = frozenset({"id", "st_id", "tenant_id", "full_data"})

_FUNCTION = """CREATE OR REPLACE FUNCTION pcd.foreign_write() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.pcd_hash := NULL;
    RETURN NEW;
END
$$"""

# Entries that wait in GIN's pending list are searched one by one by every reader.
_STORAGE = {"gin": " WITH (fastupdate = off)"}

_CAST = re.compile(
    r"::(?:character varying|double precision|timestamp with(?:out)? time zone|[a-z_]+)"
    r"(?:\(\d+(?:,\d+)?\))?(?:\[\])?"
)


def plan(catalogue: Catalogue, resources: Iterable[Resource], *, is_attached: bool = True) -> list[str]:
    """Return the statements that shape the database for *resources*, in order.

    They may run in one transaction. Once they have, another plan is empty. A database that is not
    *is_attached* gets no trigger and no function.
    """
    groups: dict[str, list[Resource]] = {}
    for resource in resources:
        groups.setdefault(resource.table, []).append(resource)
    statements = [s for name, group in groups.items() for s in _shape(catalogue, name, group, groups.keys())]
    if not is_attached:
        return statements
    for name, group in groups.items():
        statements += _trigger(catalogue.tables.get(name, Table(name=name)), group)
    if catalogue.marks.get("foreign_write") != _mark(_FUNCTION):
        comment = f"COMMENT ON FUNCTION pcd.foreign_write() IS {literal(_mark(_FUNCTION))}"
        statements[:0] = [_FUNCTION, comment]
    return statements


def _shape(catalogue: Catalogue, name: str, group: list[Resource], mirrored: Iterable[str]) -> Iterator[str]:
    table = catalogue.tables.get(name)
    columns = list({column.name: column for resource in group for column in resource.columns}.values())
    if table is None:
        table = Table(name=name)
        yield _create(name, columns, is_busy=any(resource.fresh for resource in group))
        missing: list[tuple[str, str, str]] = []
        is_unique = True
    else:
        missing = [it for it in _all_columns(columns) if it[0] not in table.columns]
        is_unique = any(it.unique and it.columns == ("st_id",) and not it.where for it in table.indexes)
    relation = qualified(SCHEMA, name)
    for column, type_name, default in missing:
        yield from _add_column(relation, column, type_name, default)
    if not is_unique:
        taken = {index.name for index in table.indexes}
        key = next(each for each in (f"{name}_st_id_key", f"{name}_st_id_whole") if each not in taken)
        yield f"CREATE UNIQUE INDEX IF NOT EXISTS {quote(key)} ON {relation} (st_id)"
    yield from _relax(table, mirrored)
    yield from _indexes(table, columns, [index for resource in group for index in resource.indexes])


def _all_columns(columns: list[Column]) -> Iterator[tuple[str, str, str]]:
    declared = [(it.name, it.type, f"DEFAULT {it.default}" if it.default else "") for it in columns]
    names = {name for name, _, _ in declared}
    for name, type_name, default, _ in _OURS_BEFORE:
        yield name, type_name, default
    yield from declared
    for name, type_name, default, _ in _OURS_AFTER:
        if name not in names:
            yield name, type_name, default


def _create(name: str, columns: list[Column], *, is_busy: bool) -> str:
    constraints = {it[0]: it[3] for it in (*_OURS_BEFORE, *_OURS_AFTER)}
    lines = ",\n    ".join(
        " ".join(filter(None, (quote(column), type_name, default, constraints.get(column, ""))))
        for column, type_name, default in _all_columns(columns)
    )
    # Room on each page for the next version of its rows: an update then touches no index.
    storage = " WITH (fillfactor = 90)" if is_busy else ""
    return f"CREATE TABLE IF NOT EXISTS {qualified(SCHEMA, name)} (\n    {lines}\n){storage}"


def _add_column(relation: str, name: str, type_name: str, default: str) -> Iterator[str]:
    """Yield the statements that add one column to an adopted table.

    The rows that are there already were not created or synced now, so a default of now() is set only after
    the column exists. The columns that we need filled are NULL in them until the first sync.
    """
    add = f"ALTER TABLE {relation} ADD COLUMN IF NOT EXISTS {quote(name)} {type_name}"
    if default != "DEFAULT now()":
        yield f"{add} {default}".strip()
        return
    yield add
    yield f"ALTER TABLE {relation} ALTER COLUMN {quote(name)} SET {default}"


def _relax(table: Table, mirrored: Iterable[str]) -> Iterator[str]:
    relation = qualified(table.schema, table.name)
    for key in table.foreign_keys:
        if key.references in set(mirrored):
            restore = f"ALTER TABLE {relation} ADD CONSTRAINT {quote(key.name)} {key.definition}"
            if not restore.endswith("NOT VALID"):
                restore += " NOT VALID"
            yield _remember(table, f"constraint {key.name}", restore)
            yield f"ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {quote(key.name)}"
    for column in table.columns.values():
        if column.not_null and not _is_always_filled(column, table):
            change = f"ALTER TABLE {relation} ALTER COLUMN {quote(column.name)}"
            yield _remember(table, f"not null {column.name}", f"{change} SET NOT NULL")
            yield f"{change} DROP NOT NULL"


def _is_always_filled(column: TableColumn, table: Table) -> bool:
    return column.name in _ALWAYS_PRESENT or column.name in table.primary_key or column.generated


def _remember(table: Table, item: str, restore: str) -> str:
    values = ", ".join(literal(text) for text in (f"{table.schema}.{table.name}", item, restore))
    return f"INSERT INTO pcd.relaxed (relation, item, restore) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608 - literals


def _indexes(table: Table, columns: list[Column], declared: list[Index]) -> Iterator[str]:
    names = {index.name for index in table.indexes}
    retyped = {
        column.name
        for column in columns
        if (actual := table.columns.get(column.name)) is not None
        and family(actual.type) != family(column.type)
    }
    planned: list[Index] = []
    for index in declared:
        if index in planned or any(_covers(existing, index) for existing in table.indexes):
            continue
        if retyped & _words(*index.columns, index.where):
            continue  # balance > 0 means nothing where an adopted balance is text
        planned.append(index)
        definition = f"USING {index.method} ({', '.join(index.columns)}){_STORAGE.get(index.method, '')}"
        if index.where:
            definition += f" WHERE {index.where}"
        name = _index_name(table.name, index, definition, names)
        names.add(name)
        yield f"CREATE INDEX IF NOT EXISTS {quote(name)} ON {qualified(SCHEMA, table.name)} {definition}"


def _covers(existing: TableIndex, index: Index) -> bool:
    """Whether *existing* answers every query that *index* would."""
    wanted = tuple(_plain(column) for column in index.columns)
    found = tuple(_plain(column) for column in existing.columns)
    if existing.method != index.method or _plain(existing.where) not in {"", _plain(index.where)}:
        return False
    return found[: len(wanted)] == wanted if index.method == "btree" else found == wanted


def _words(*fragments: str) -> set[str]:
    return {word for fragment in fragments for word in re.findall(r"\w+", fragment)}


def _plain(text: str) -> str:
    """Return an SQL fragment without the casts, brackets and blanks that PostgreSQL adds."""
    return re.sub(r'[()"\s]+', " ", _CAST.sub("", text.lower())).strip()


def _index_name(table: str, index: Index, definition: str, taken: set[str]) -> str:
    words = "_".join(re.findall(r"\w+", " ".join(index.columns).lower()))
    name = f"{table}_{words}_idx"
    if len(name) <= 63 and name not in taken:  # PostgreSQL cuts longer names without a word
        return name
    return f"{name[:52]}_{hashlib.blake2b(definition.encode(), digest_size=5).hexdigest()}"


def _trigger(table: Table, group: list[Resource]) -> Iterator[str]:
    names = dict.fromkeys(
        name
        for resource in group
        for name in (*resource.constants, *(it.name for it in resource.projected))
        if not ((actual := table.columns.get(name)) and actual.generated)
    )
    # full_data last: it costs most to compare.
    compared = ("st_created_on", "st_modified_on", *names, "full_data")
    old = ", ".join(_comparable(f"OLD.{quote(name)}", name, table) for name in compared)
    new = ", ".join(_comparable(f"NEW.{quote(name)}", name, table) for name in compared)
    relation = qualified(SCHEMA, table.name)
    create = f"""CREATE OR REPLACE TRIGGER {FOREIGN_WRITE}
BEFORE UPDATE ON {relation}
FOR EACH ROW
WHEN (NEW.pcd_hash IS NOT DISTINCT FROM OLD.pcd_hash AND (
    {new}
) IS DISTINCT FROM (
    {old}
))
EXECUTE FUNCTION pcd.foreign_write()"""
    if table.marks.get(FOREIGN_WRITE) != _mark(create):
        yield create
        yield f"COMMENT ON TRIGGER {FOREIGN_WRITE} ON {relation} IS {literal(_mark(create))}"


def _comparable(reference: str, name: str, table: Table) -> str:
    actual = table.columns.get(name)
    return f"{reference}::text" if actual is not None and actual.type == "json" else reference


def _mark(definition: str) -> str:
    """Return what tells one version of a function or trigger of ours from another."""
    return f"pcd {hashlib.blake2b(definition.encode(), digest_size=8).hexdigest()}"
