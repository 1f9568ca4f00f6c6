"""The shape of a rule by which columns of one table follow the rows of another."""

# ruff: noqa: S608 - made of the rules' own constants

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def live(row: str) -> str:
    """Return the condition that *row* still counts: upstream has it and it is not inactive."""
    return f"{row}.active IS NOT FALSE AND {row}.st_deleted_at IS NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """*columns* of *target* as *computed* yields them.

    *computed* is a SELECT over the CTE ``wanted (st_id)`` that yields st_id and *columns*, one row for each
    wanted id. *follows* maps the resources whose changes call for it to their column that holds the ids
    of the target (one id, or an array); *reads* names those that only a full pass looks at. *fills* is a
    condition on ``target`` that tells whether there is something to fill a row from that has just
    arrived. *stamp* is a column that says when it last changed.
    """

    name: str
    target: str
    columns: tuple[str, ...]
    computed: str
    follows: Mapping[str, str]
    reads: frozenset[str] = frozenset()
    fills: str = ""
    stamp: str = ""

    @property
    def statement(self) -> str:
        """The statement that recomputes the target rows $1 bigint[]."""
        return self._update("target.st_id = ANY($1::bigint[])")

    @property
    def full_pass(self) -> str:
        """The statement that recomputes every row of the target, when $1 is NULL.

        A statement of its own: one that serves both keeps, once prepared, the plan for all rows.
        """
        return self._update("$1::bigint[] IS NULL")

    @property
    def arrival(self) -> str:
        """The statement for target rows $1 bigint[] that were just written themselves.

        A row without anything to follow is left alone: it has its defaults, or what an adopted database
        knew before the first load of the other table.
        """
        return self._update(f"target.st_id = ANY($1::bigint[]) AND {self.fills}")

    def _update(self, wanted: str) -> str:
        table = f"servicetitan.st_{self.target}"
        stored = ", ".join(f"target.{name}" for name in self.columns)
        computed = ", ".join(f"computed.{name}" for name in self.columns)
        updates = ",\n    ".join(f"{name} = computed.{name}" for name in self.columns)
        stamp = f",\n    {self.stamp} = now() AT TIME ZONE 'UTC'" if self.stamp else ""
        return f"""WITH wanted AS MATERIALIZED (
    SELECT target.st_id
    FROM {table} AS target
    WHERE {wanted}
), computed AS MATERIALIZED (
    {self.computed}
), differing AS MATERIALIZED (
    SELECT target.st_id
    FROM {table} AS target
    JOIN computed ON computed.st_id = target.st_id
    WHERE ({stored}) IS DISTINCT FROM ({computed})
    ORDER BY target.st_id
    FOR NO KEY UPDATE OF target
)
UPDATE {table} AS target
SET {updates}{stamp}
FROM computed
JOIN differing ON differing.st_id = computed.st_id
WHERE target.st_id = computed.st_id"""
