"""The capture triggers of each mirrored table, as SQL. Pure: declaration and actual table in, DDL out.

For every statement that writes a mirrored table, whoever sends it, its trigger puts what changed in the
tracked columns into ``pcd.outbox``, in the writer's own transaction. So it must not be able to fail:

- It runs with its owner's rights and a pinned search_path, because the writer has neither.
- A column is read from the row only if the row has one. Every tracked name also stands in ``pcd_absent``, one
  level further out, where SQL looks for a name that it does not find nearer by: a column that somebody
  drops reads as NULL from then on.
- Values go through ``row_to_json``, which takes any type. Old and new are compared as that text, for
  a type need not have an equality. What a writer set for its time zone must not show in it.
- Old and new rows are joined by FULL JOIN: PostgreSQL hashes or sorts for it, while the plan that it keeps
  from a first statement of one row could be a nested loop, and a statement of 100,000 rows would never end.
"""

# ruff: noqa: S608 - every name comes from a declaration and is quoted by pcd.tables.quote

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from pcd.changes.change import STAMPS
from pcd.tables.catalogue import SCHEMA
from pcd.tables.derived import DERIVED
from pcd.tables.quote import literal, qualified, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pcd.tables.catalogue import Table
    from pcd.tables.spec import Resource

CHANNEL = "pcd_changes"
"""What is notified once a statement, always without a payload: the outbox is the truth, this a hint."""

TRIGGERS: Mapping[str, str] = MappingProxyType(
    {
        "pcd_capture_insert": "AFTER INSERT ON {relation} REFERENCING NEW TABLE AS new_rows",
        "pcd_capture_update": "AFTER UPDATE ON {relation} "
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "pcd_capture_delete": "AFTER DELETE ON {relation} REFERENCING OLD TABLE AS old_rows",
        "pcd_capture_truncate": "BEFORE TRUNCATE ON {relation}",
    }
)
"""The triggers of each captured table by name."""

_ALWAYS_TRACKED = ("st_deleted_at",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What is captured of one table, and what has to be loaded before.

    *resource* is the word for it in the outbox, *loads* the resources that fill the table, *needs* these and
    those that its derived columns follow: until all are complete, its rows still change because of the load.
    """

    resource: str
    table: str
    tracked: tuple[str, ...]
    loads: frozenset[str]
    needs: frozenset[str]

    @property
    def function(self) -> str:
        """The name of its trigger function in schema ``pcd``."""
        return f"capture_{self.resource}"


def captures(resources: Iterable[Resource]) -> tuple[Capture, ...]:
    """Return what to capture, one for each table of *resources*; what is not mirrored is not waited for."""
    groups: dict[str, list[Resource]] = {}
    for resource in resources:
        groups.setdefault(resource.table, []).append(resource)
    mirrored = {resource.name for group in groups.values() for resource in group}
    return tuple(_capture(table, group, mirrored) for table, group in groups.items())


def _capture(table: str, group: list[Resource], mirrored: set[str]) -> Capture:
    names = [column.name for resource in group for column in resource.tracked]
    loads = frozenset(resource.name for resource in group)
    sources = {derived.source for derived in DERIVED if derived.target in loads}
    return Capture(
        resource=table.removeprefix("st_"),
        table=table,
        tracked=tuple(dict.fromkeys((*names, *_ALWAYS_TRACKED))),
        loads=loads,
        needs=loads | (sources & mirrored),
    )


def mark(capture: Capture, table: Table) -> str:
    """Return what tells one version of the capture of *table* from another: the function's comment."""
    return f"pcd {hashlib.blake2b(_body(capture, table).encode(), digest_size=8).hexdigest()}"


def function(capture: Capture, table: Table) -> tuple[str, ...]:
    """Return the statements that make the trigger function of *table*, or make it anew."""
    name = f"{qualified('pcd', capture.function)}()"
    return (
        f"""CREATE OR REPLACE FUNCTION {name} RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS {literal(_body(capture, table))}""",
        # It runs for every writer all the same; only nobody can hang it on a table of his own.
        f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC",
        f"COMMENT ON FUNCTION {name} IS {literal(mark(capture, table))}",
    )


def trigger(capture: Capture, name: str) -> tuple[str, ...]:
    """Return the statements that put trigger *name* of `TRIGGERS` on the table, enabled."""
    relation = qualified(SCHEMA, capture.table)
    return (
        f"""CREATE OR REPLACE TRIGGER {quote(name)} {TRIGGERS[name].format(relation=relation)}
FOR EACH STATEMENT EXECUTE FUNCTION {qualified("pcd", capture.function)}()""",
        f"ALTER TABLE {relation} ENABLE TRIGGER {quote(name)}",
    )


def replay(capture: Capture, table: Table) -> str:
    """Return the statement that puts the rows of the load's own window into the outbox.

    Takes $1, the start of the window. Rows that upstream
    created or changed since count as new.
    """
    return f"""INSERT INTO pcd.outbox (resource, st_id, op, after, stamps)
SELECT {literal(capture.resource)}, pcd_row.st_id, 'I', pcd_row.tracked, pcd_row.stamps
FROM ({_absent(capture)}) AS pcd_absent
CROSS JOIN LATERAL (
    {_rows(capture, table, qualified(SCHEMA, capture.table))}
    WHERE pcd_source.st_modified_on >= $1 OR pcd_source.st_created_on >= $1
) AS pcd_row
ORDER BY pcd_row.st_id"""


def _body(capture: Capture, table: Table) -> str:
    word = literal(capture.resource)
    absent = _absent(capture)
    new, old = (_rows(capture, table, name) for name in ("new_rows", "old_rows"))
    all_rows = _rows(capture, table, qualified(SCHEMA, capture.table))
    return f"""
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO pcd.outbox (resource, st_id, op, after, stamps)
        SELECT {word}, pcd_row.st_id, 'I', pcd_row.tracked, pcd_row.stamps
        FROM ({absent}) AS pcd_absent
        CROSS JOIN LATERAL ({new}) AS pcd_row;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO pcd.outbox (resource, st_id, op, before, after, stamps)
        SELECT {word}, pcd_row.st_id, pcd_row.op, pcd_row.before, pcd_row.after, pcd_row.stamps
        FROM ({absent}) AS pcd_absent
        CROSS JOIN LATERAL (
            SELECT
                coalesce(later.st_id, earlier.st_id) AS st_id,
                CASE
                    WHEN earlier.st_id IS NULL THEN 'I'
                    WHEN later.st_id IS NULL THEN 'D'
                    ELSE 'U'
                END::"char" AS op,
                earlier.tracked AS before,
                later.tracked AS after,
                CASE WHEN earlier.stamps::text IS DISTINCT FROM later.stamps::text
                    THEN coalesce(later.stamps, earlier.stamps)
                END AS stamps
            FROM ({old}) AS earlier
            FULL JOIN ({new}) AS later ON later.st_id = earlier.st_id
            WHERE earlier.tracked::text IS DISTINCT FROM later.tracked::text
        ) AS pcd_row;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO pcd.outbox (resource, st_id, op, before, stamps)
        SELECT {word}, pcd_row.st_id, 'D', pcd_row.tracked, pcd_row.stamps
        FROM ({absent}) AS pcd_absent
        CROSS JOIN LATERAL ({old}) AS pcd_row;
    ELSE
        INSERT INTO pcd.outbox (resource, st_id, op, before, stamps)
        SELECT {word}, pcd_row.st_id, 'D', pcd_row.tracked, pcd_row.stamps
        FROM ({absent}) AS pcd_absent
        CROSS JOIN LATERAL ({all_rows}) AS pcd_row;
    END IF;
    -- An upsert fires the triggers of both operations, also for no row at all.
    IF FOUND THEN
        PERFORM pg_notify({literal(CHANNEL)}, '');
    END IF;
    RETURN NULL;
END
"""


def _rows(capture: Capture, table: Table, source: str) -> str:
    tracked = ", ".join(_value(name, table) for name in capture.tracked)
    stamps = ", ".join(_value(name, table) for name in STAMPS)
    # Names that no column has: of a column and a row of the same name SQL takes the column.
    return f"""SELECT
        pcd_source.st_id,
        row_to_json(pcd_tracked) AS tracked,
        row_to_json(pcd_stamps) AS stamps
    FROM {source} AS pcd_source
    CROSS JOIN LATERAL (SELECT {tracked}) AS pcd_tracked
    CROSS JOIN LATERAL (SELECT {stamps}) AS pcd_stamps"""


def _value(name: str, table: Table) -> str:
    column = table.columns.get(name)
    if column is not None and column.type == "json":
        # Kept as it was written, and that need not fit into a jsonb.
        return f"{quote(name)}::text AS {quote(name)}"
    return quote(name)


def _absent(capture: Capture) -> str:
    return "SELECT " + ", ".join(f"NULL::text AS {quote(name)}" for name in (*capture.tracked, *STAMPS))
