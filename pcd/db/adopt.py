"""Takes over a database of the old system where it stands: nothing is dropped, nothing retyped.

The old migrations made every table in ``public``; the promised schemas came later, by hand. A table that
is still in ``public`` moves to its schema, and a view of the same name stays behind: the old workers'
unqualified INSERT, UPDATE and ON CONFLICT go on working through it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pcd.tables.quote import literal, qualified, quote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from pcd.db.pool import Connection, Record

_PLAIN: Mapping[str, tuple[str, ...]] = {
    "servicetitan": ("job_technicians", "st_sync_log"),
    "integrations": (
        "callrail_calls",
        "callrail_conversion_log",
        "ghl_contacts",
        "ghl_opportunities",
        "ghl_sync_log",
    ),
    "automation": (
        "messaging_log",
        "messaging_templates",
        "workflow_definitions",
        "workflow_instances",
        "workflow_step_executions",
    ),
}
_LEFT_BEHIND = "Keeps unqualified names working. The table has moved to its own schema."

_IN_PUBLIC = """
SELECT
    c.oid AS table_id,
    c.relname AS name,
    pg_get_userbyid(c.relowner) AS owner,
    to_regclass(format('%I.%I', $2::text, c.relname)) IS NOT NULL AS is_taken
FROM pg_class AS c
WHERE c.relnamespace = to_regnamespace('public')
  AND c.relkind IN ('r', 'p')
  AND c.relname = ANY($1::text[])
ORDER BY c.relname
"""

_GRANTS = """
SELECT
    g.privilege_type AS privilege,
    CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END AS grantee,
    g.is_grantable
FROM pg_class AS c
CROSS JOIN LATERAL aclexplode(c.relacl) AS g
WHERE c.oid = $1
  AND g.grantee <> c.relowner
  AND g.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
"""

# What would reject an assignment whose job or appointment has not arrived yet.
_STRICT = """
SELECT
    format('constraint %s', k.conname) AS item,
    format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname) AS relax,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', k.conrelid::regclass, k.conname,
           pg_get_constraintdef(k.oid)) AS restore
FROM pg_constraint AS k
JOIN pg_class AS target ON target.oid = k.confrelid
WHERE k.contype = 'f'
  AND k.conrelid = 'servicetitan.job_technicians'::regclass
  AND target.relnamespace = 'servicetitan'::regnamespace
UNION ALL
SELECT
    format('not null %s', a.attname),
    format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', a.attrelid::regclass, a.attname),
    format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', a.attrelid::regclass, a.attname)
FROM pg_attribute AS a
WHERE a.attrelid = 'servicetitan.job_technicians'::regclass
  AND a.attnum > 0
  AND NOT a.attisdropped
  AND a.attnotnull
  AND a.attname NOT IN ('id', 'job_id', 'technician_id')
  AND NOT EXISTS (
      SELECT FROM pg_index AS i
      WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey)
  )
"""


async def moves(
    connection: Connection, *, mirrored: Iterable[str], on_step: Callable[[str], None]
) -> list[Callable[[], Awaitable[None]]]:
    """Return the moves out of ``public`` that are due, each to be made in a transaction.

    *mirrored* are the names of the mirrored tables. Where both places hold a table of a name, both stay
    as they are and *on_step* is told.
    """
    due: list[Callable[[], Awaitable[None]]] = []
    for schema, plain in _PLAIN.items():
        names = {*plain, *(mirrored if schema == "servicetitan" else ())}
        for row in await connection.fetch(_IN_PUBLIC, list(names), schema):
            if row["is_taken"]:
                on_step(f"public.{row['name']} is left alone: {schema}.{row['name']} exists too")
            else:
                due.append(partial(_move, connection, row, schema))
    return due


async def relaxations(connection: Connection) -> list[Callable[[], Awaitable[None]]]:
    """Return what is too strict in the old ``job_technicians``, each to be relaxed in a transaction."""
    return [partial(_relax, connection, row) for row in await connection.fetch(_STRICT)]


async def _move(connection: Connection, row: Record, schema: str) -> None:
    name = row["name"]
    grants = await connection.fetch(_GRANTS, row["table_id"])
    view = qualified("public", name)
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
    await connection.execute(f"ALTER TABLE {view} SET SCHEMA {quote(schema)}")
    await connection.execute(f"CREATE VIEW {view} AS TABLE {qualified(schema, name)}")
    await connection.execute(f"ALTER VIEW {view} OWNER TO {quote(row['owner'])}")
    await connection.execute(f"COMMENT ON VIEW {view} IS {literal(_LEFT_BEHIND)}")
    for grant in grants:
        option = " WITH GRANT OPTION" if grant["is_grantable"] else ""
        await connection.execute(f"GRANT {grant['privilege']} ON {view} TO {grant['grantee']}{option}")


async def _relax(connection: Connection, row: Record) -> None:
    await connection.execute(
        "INSERT INTO pcd.relaxed (relation, item, restore) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        "servicetitan.job_technicians",
        row["item"],
        row["restore"],
    )
    await connection.execute(row["relax"])
