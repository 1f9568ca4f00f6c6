"""Carries out what people want of workflows: switch, pause, resume, retry, cancel, adopt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.db import queries
from pcd.errors import ControlError
from pcd.workflows import finder
from pcd.workflows.advance import allowed
from pcd.workflows.store import encode

if TYPE_CHECKING:
    from pcd.db.pool import Database
    from pcd.workflows.finder import Found
    from pcd.workflows.loader import Loaded
    from pcd.workflows.workflow import Workflow

_SQL = queries.load("pcd.workflows")


class Steward:
    """Acts on the workflows in *db*; *loaded* are their definitions. A daemon takes note at its next look."""

    def __init__(self, db: Database, loaded: Loaded) -> None:
        self._db = db
        self._loaded = loaded

    async def enable(self, name: str, *, is_enabled: bool) -> str:
        """Let a workflow start instances from now on, or none any more; those that it has go on."""
        workflow = self._workflow(name)
        await self._db.execute(_SQL["switch_enabled"], workflow.name, is_enabled)
        return f"{workflow.name} is switched {'on' if is_enabled else 'off'}"

    async def pause(self, what: str, *, reason: str) -> str:
        """Let a workflow, or one instance, stand still; a step under way ends."""
        if self._is_workflow(what):
            async with self._db.transaction() as connection:
                await connection.execute(_SQL["switch_paused"], what, True, reason)  # noqa: FBT003 - is_paused
                rows = await connection.fetch(_SQL["pause_workflow"], what, "command", reason)
            return f"{what} is paused, with {len(rows)} instances; new ones wait as well"
        found = await self._ours(what)
        if await self._db.fetchval(_SQL["pause"], found.id, reason) is None:
            raise ControlError(f"instance {found.id} is {found.status}; only an active one can be paused")
        return f"instance {found.id} is paused"

    async def resume(self, what: str) -> str:
        """Let a paused workflow, or one instance, go on."""
        if self._is_workflow(what):
            async with self._db.transaction() as connection:
                await connection.execute(_SQL["switch_paused"], what, False, "")  # noqa: FBT003 - is_paused
                rows = await connection.fetch(_SQL["resume_workflow"], what, "command")
            return f"{what} goes on, with {len(rows)} instances"
        found = await self._ours(what)
        if await self._db.fetchval(_SQL["resume"], found.id) is None:
            if found.status == "paused":
                raise ControlError(f"instance {found.id} goes on{_once(found.workflow)}")
            raise ControlError(f"instance {found.id} is {found.status}; only a paused one can be resumed")
        return f"instance {found.id} goes on"

    async def retry(self, what: str) -> str:
        """Let a dead letter, or all of a workflow, be tried again from the step where it died."""
        if self._is_workflow(what):
            rows = await self._db.fetch(_SQL["redrive"], None, what)
            waits = any(row["status"] == "paused" for row in rows)
            return f"{what}: {len(rows)} failed instances are tried again{_once(what) if waits else ''}"
        found = await self._ours(what)
        status = await self._db.fetchval(_SQL["redrive"], found.id, None)
        if status is None:
            raise ControlError(f"instance {found.id} is {found.status}; only a failed one can be retried")
        told = f"instance {found.id} is tried again from step {found.step}"
        return f"{told}{_once(found.workflow) if status == 'paused' else ''}"

    async def cancel(self, id_text: str, *, reason: str) -> str:
        """End an instance now."""
        found = await self._ours(id_text)
        if await self._db.fetchval(_SQL["cancel"], found.id, reason) is None:
            raise ControlError(f"instance {found.id} is {found.status} already")
        return f"instance {found.id} is cancelled"

    async def adopt(self, id_text: str) -> str:
        """Take over an instance that the old engine started: from now on it runs here, and only here."""
        found = await finder.instance(self._db, id_text)
        if not found.is_old:
            raise ControlError(f"instance {found.id} is ours already")
        row = await self._db.fetchrow(_SQL["old_instance"], found.id)
        if row is None:
            raise ControlError(f"instance {found.id} has ended; there is nothing to adopt")
        workflow = self._loaded.get(row["name"] or "")
        if workflow is None:
            raise ControlError(
                f"instance {found.id}: its definition {row['name'] or ''!r} is gone or bad; "
                "see `pcd workflow validate`"
            )
        step = workflow.step(found.step)
        if step is None:
            raise ControlError(f"instance {found.id} is behind the last step of {workflow.name!r}")
        columns = [[workflow.name], [workflow.version], [workflow.source], [encode(workflow.document)]]
        async with self._db.transaction() as connection:
            await connection.execute(_SQL["remember_versions"], *columns)
            status = await connection.fetchval(
                _SQL["adopt"],
                found.id,
                workflow.name,
                workflow.version,
                workflow.trigger.event,
                workflow.priority,
                allowed(step),
            )
        if status is None:
            raise ControlError(f"instance {found.id} has changed meanwhile; look again")
        told = f"instance {found.id} of {workflow.name} goes on here with step {found.step}"
        return f"{told}{_once(workflow.name) if status == 'paused' else ''}"

    def _workflow(self, name: str) -> Workflow:
        workflow = self._loaded.get(name)
        if workflow is None:
            known = ", ".join(repr(one.name) for one in self._loaded.workflows)
            raise ControlError(f"there is no workflow {name!r}; there are: {known}", code="unknown_name")
        return workflow

    def _is_workflow(self, what: str) -> bool:
        return self._loaded.get(what) is not None

    async def _ours(self, id_text: str) -> Found:
        found = await finder.instance(self._db, id_text)
        if found.is_old:
            raise ControlError(
                f"instance {found.id} was started by the old engine; `pcd workflow adopt {found.id}` first"
            )
        return found


def _once(workflow: str) -> str:
    return f", once {workflow} is not paused any more: `pcd workflow resume '{workflow}'`"
