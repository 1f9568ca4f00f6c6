"""The statements that write and compare mirrored rows, generated from a declaration.

They are written for the table as it is (`catalogue.Table`): generated columns are skipped, adopted types
respected. One batch is one statement; batches of about a thousand records are enough.
"""

# ruff: noqa: S608 - every name comes from a declaration and is quoted by pcd.tables.quote

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.tables.catalogue import SCHEMA
from pcd.tables.expressions import cast_text, expression, field_text, full_text
from pcd.tables.quote import literal, qualified, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pcd.tables.catalogue import Table
    from pcd.tables.spec import Column, Resource

SEPARATOR = "\x1e"
"""What separates the values of one argument: JSON text cannot contain it, escaped it is another text."""

_SEPARATOR = "E'\\x1e'"

# OFFSET 0: the planner would otherwise copy the cast into every expression, and parse the record once for
# each column.
_RECORDS = f"""(
        SELECT item.raw::jsonb AS d, decode(item.hash, 'hex') AS hash, item.modified
        FROM (
            SELECT
                unnest(string_to_array($1::text, {_SEPARATOR})) AS raw,
                unnest(string_to_array($2::text, {_SEPARATOR})) AS hash,
                unnest(string_to_array($3::text, {_SEPARATOR}, '')) AS modified
        ) AS item
        OFFSET 0
    )"""


def pack(values: Iterable[str]) -> str:
    """Return *values* as one argument of a statement below.

    An array says the same, but asyncpg spends a microsecond on each element while PostgreSQL idles.
    """
    return SEPARATOR.join(values)


def insert(resource: Resource, table: Table, *, keys: tuple[str, ...] = ()) -> str:
    """Return `upsert`'s statement for records that are not stored yet; a stored one is a unique violation.

    Measured on 20,000 records of 1 kB: a sixth faster, because nothing is inserted speculatively.
    """
    return _write(resource, table, keys=keys, conflict="")


def upsert(resource: Resource, table: Table, *, keys: tuple[str, ...] = ()) -> str:
    """Return the statement that writes a batch of records as rows.

    Takes, each as `pack` makes it: $1 raw records, in ascending order of id so that two writers cannot
    deadlock, and none twice, $2 their hashes in hexadecimal, $3 their normalised modification instants or
    ``""``; $4 the start of the request that brought them, $5 the tenant. A row that had been marked as
    deleted upstream is alive again. Yields one row: ``written``; for each of *keys* (`derived.keys`) the
    distinct values of the rows written, or NULL; and ``is_filled``, whether a value fills its column: `cut`
    tells then what was cut.
    """
    updates = ",\n        ".join(
        f"{quote(name)} = EXCLUDED.{quote(name)}"
        for name, _ in _values(resource, table)
        if name not in {"id", "st_id"}
    )
    conflict = f"\n    ON CONFLICT (st_id) DO UPDATE SET\n        {updates}"
    return _write(resource, table, keys=keys, conflict=conflict)


def _write(resource: Resource, table: Table, *, keys: tuple[str, ...], conflict: str) -> str:
    values = dict(_values(resource, table))
    columns = ",\n        ".join(quote(name) for name in values)
    expressions = ",\n        ".join(values.values())
    return f"""WITH written AS (
    INSERT INTO {qualified(table.schema, table.name)} (
        {columns}
    )
    SELECT
        {expressions}
    FROM {_RECORDS} AS input{conflict}
    RETURNING {_is_filled(resource, table)} AS is_filled{"".join(f", {quote(key)}" for key in keys)}
)
SELECT
    count(*) AS written,{"".join(_distinct(key, table) for key in keys)}
    coalesce(bool_or(is_filled), false) AS is_filled
FROM written"""


def cut(resource: Resource, table: Table) -> str:
    """Return the query that counts the values of $1, records as `pack` makes them, that are cut to fit.

    Yields one row: ``cut``, a jsonb object of the counts by column, or NULL.
    """
    pairs = ",\n        ".join(
        f"{literal(name)}, nullif(count(*) FILTER (WHERE length({text}) > {width}), 0)"
        for name, width, text in _bounded(resource, table)
    )
    return f"""SELECT nullif(jsonb_strip_nulls(jsonb_build_object(
        {pairs}
    )), '{{}}') AS cut
FROM (SELECT unnest(string_to_array($1::text, {_SEPARATOR}))::jsonb AS d OFFSET 0) AS input"""


def prefilter(resource: Resource, *, keys: tuple[str, ...] = ()) -> str:
    """Return the query that finds which records of a batch are not stored as they are.

    Takes $1 ids and $2 hashes in hexadecimal, as `pack` makes them. Yields a row for each id that is
    missing, whose stored hash is another (or was nulled by a foreign write), or that is marked as deleted
    upstream: ``st_id``, ``is_stored``, ``pcd_modified``, ``pcd_as_of``, and the stored values of *keys*
    (`derived.keys`). One look-up in the index for each id: the planner, which does not know how many there
    are, would read a small table whole instead.
    """
    return f"""SELECT
    item.st_id,
    stored.st_id IS NOT NULL AS is_stored,
    stored.pcd_modified,
    stored.pcd_as_of{_selected(keys)}
FROM (
    SELECT packed.st_id::bigint AS st_id, decode(packed.hash, 'hex') AS hash
    FROM unnest(
        string_to_array($1::text, {_SEPARATOR}), string_to_array($2::text, {_SEPARATOR})
    ) AS packed (st_id, hash)
) AS item
LEFT JOIN LATERAL (
    SELECT * FROM {qualified(SCHEMA, resource.table)} AS found WHERE found.st_id = item.st_id OFFSET 0
) AS stored ON true
WHERE stored.st_id IS NULL
    OR stored.pcd_hash IS DISTINCT FROM item.hash
    OR stored.st_deleted_at IS NOT NULL"""


def _values(resource: Resource, table: Table) -> Iterator[tuple[str, str]]:
    """Yield each column that a write fills, with the expression that fills it."""
    if (own := table.columns.get("id")) is not None and own.type == "uuid":
        # A PostgreSQL without OpenSSL opens /dev/urandom for each random UUID: a seventh of the whole write.
        yield "id", "encode(hash, 'hex')::uuid"
    yield "st_id", cast_text(field_text("id"), "bigint")
    yield "tenant_id", "$5::bigint"
    for name, value in resource.constants.items():
        yield name, literal(value)
    yield from _projected(resource, table)
    yield "full_data", "d"
    yield "local_synced_at", "now()"
    if "last_synced_at" in table.columns:
        # The old worker's second stamp: naive, and read by its reports.
        yield "last_synced_at", "now() AT TIME ZONE 'UTC'"
    yield "st_deleted_at", "NULL"
    yield "pcd_hash", "hash"
    yield "pcd_modified", "modified"
    yield "pcd_as_of", "$4::timestamptz"


def _projected(resource: Resource, table: Table) -> Iterator[tuple[str, str]]:
    for column in _writable(resource, table):
        yield column.name, expression(column, table.columns[column.name])
    for name, field in (("st_created_on", "createdOn"), ("st_modified_on", resource.modified)):
        if name in table.columns and field:
            yield name, cast_text(field_text(field), table.columns[name].type)


def _writable(resource: Resource, table: Table) -> Iterator[Column]:
    for column in resource.projected:
        actual = table.columns.get(column.name)
        if actual is not None and not actual.generated:
            yield column


def _bounded(resource: Resource, table: Table) -> Iterator[tuple[str, int, str]]:
    """Yield each column of bounded width, its width, and the SQL of its text before it is cut."""
    for column in _writable(resource, table):
        actual = table.columns[column.name]
        text = full_text(column, actual)
        if text is not None and actual.width is not None:
            yield column.name, actual.width, text


def _is_filled(resource: Resource, table: Table) -> str:
    """Return the SQL of whether a value of a written row fills its column, as one that was cut does."""
    # Octets, for length() does not count the blanks at the end of a character(n).
    tests = [f"octet_length({quote(name)}) >= {width}" for name, width, _ in _bounded(resource, table)]
    return f"({' OR '.join(tests)})" if tests else "false"


def _distinct(key: str, table: Table) -> str:
    """Return the SQL of the distinct values of *key* in ``written``, and with them those of an array."""
    name = quote(key)
    if table.columns[key].type.endswith("[]"):
        found = f"(SELECT array_agg(DISTINCT each) FROM written, unnest({name}) AS each)"
    else:
        found = f"array_agg(DISTINCT {name})"
    return f"\n    array_remove({found}, NULL) AS {name},"


def _selected(keys: tuple[str, ...]) -> str:
    return "".join(f",\n    stored.{quote(key)}" for key in keys)
