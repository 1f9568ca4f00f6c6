"""The statements that tell and mark which rows upstream still has."""

# ruff: noqa: S608 - every name comes from a declaration and is quoted by pcd.tables.quote

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.tables.catalogue import SCHEMA
from pcd.tables.quote import literal, qualified, quote

if TYPE_CHECKING:
    from pcd.tables.spec import Resource


def unseen(resource: Resource) -> str:
    """Return the query for the rows that a complete walk did not see.

    Takes $1 the resource's name in ``pcd.seen`` and $2 the start of the walk: a row written since was
    served meanwhile. Yields ``st_id`` in ascending order; nothing where a crash made the database forget
    what was seen, and the walk's mark with it.
    """
    return f"""SELECT stored.st_id
FROM {_live(resource)}
    AND (stored.pcd_as_of IS NULL OR stored.pcd_as_of < $2::timestamptz)
    AND NOT EXISTS (SELECT FROM pcd.seen WHERE seen.resource = $1 AND seen.st_id = stored.st_id)
    AND EXISTS (SELECT FROM pcd.seen WHERE seen.resource = $1 AND seen.st_id = (-9223372036854775808))
ORDER BY stored.st_id"""


def count_live(resource: Resource) -> str:
    """Return the query that counts the rows not marked as gone."""
    return f"SELECT count(*) FROM {_live(resource)}"


def mark_gone(resource: Resource, *, keys: tuple[str, ...] = ()) -> str:
    """Return the statement that marks $1 ids bigint[] as gone; yields their *keys*. The rows stay."""
    returned = "".join(f", stored.{quote(key)}" for key in keys)
    return f"""UPDATE {qualified(SCHEMA, resource.table)} AS stored
SET st_deleted_at = now()
WHERE stored.st_id = ANY($1::bigint[])
    AND stored.st_deleted_at IS NULL
RETURNING stored.st_id{returned}"""


def _live(resource: Resource) -> str:
    scope = "".join(
        f"\n    AND stored.{quote(name)} = {literal(value)}" for name, value in resource.constants.items()
    )
    return f"{qualified(SCHEMA, resource.table)} AS stored\nWHERE stored.st_deleted_at IS NULL{scope}"
