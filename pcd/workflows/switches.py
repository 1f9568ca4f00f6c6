"""Reads what people said about workflows by command: it goes before what their definitions say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pcd.db import queries

if TYPE_CHECKING:
    from pcd.db.pool import Database
    from pcd.workflows.workflow import Workflow

_SQL = queries.load("pcd.workflows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """What people said about one workflow; *is_enabled* None where its definition alone says it."""

    is_enabled: bool | None = None
    is_paused: bool = False

    @property
    def source(self) -> str:
        """Who says whether the workflow is on: ``"command"`` or ``"definition"``."""
        return "definition" if self.is_enabled is None else "command"

    def applied_to(self, workflow: Workflow) -> Workflow:
        """Return *workflow* as it is switched."""
        return workflow if self.is_enabled is None else replace(workflow, is_enabled=self.is_enabled)


async def read_switches(db: Database) -> dict[str, Switch]:
    """Return what was said of which workflow, nothing before the first migration. Raises StoreError."""
    if not await db.fetchval(_SQL["has_switches"]):
        return {}
    rows = await db.fetch(_SQL["switches"])
    return {row["name"]: Switch(is_enabled=row["is_enabled"], is_paused=row["is_paused"]) for row in rows}
