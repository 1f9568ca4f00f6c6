"""Keeps the definitions: loads them, tells the starter, and keeps each version that anything runs with."""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import anyio

from pcd.db import queries
from pcd.errors import DefinitionError
from pcd.workflows.decode import decode
from pcd.workflows.loader import Loaded, load
from pcd.workflows.store import encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from anyio.abc import TaskStatus

    from pcd.db.pool import Database
    from pcd.workflows.starter import Starter
    from pcd.workflows.store import Store
    from pcd.workflows.validate import Known
    from pcd.workflows.workflow import Workflow

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.workflows")
_EVERY = timedelta(seconds=30)


class DefinitionKeeper:
    """A service: loads the definitions at the start, every half a minute, and whenever `reload` is called.

    An instance whose definition is gone or bad is paused, and goes on when it is there again. *known* says
    what definitions may refer to; *on_change* is called when instances may go on, *on_load* whenever
    the starter knows the definitions.
    """

    name = "definitions"

    def __init__(  # noqa: PLR0913 - one keyword each for what it works with
        self,
        store: Store,
        starter: Starter,
        *,
        folder: Path | None,
        known: Callable[[], Awaitable[Known]],
        on_change: Callable[[], None],
        on_load: Callable[[], None] = lambda: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.loaded = Loaded(workflows=(), failures=())
        self._store = store
        self._starter = starter
        self._folder = folder
        self._known = known
        self._on_change = on_change
        self._on_load = on_load
        self._chance = chance
        self._versions: dict[tuple[str, str], Workflow] = {}
        self._names: frozenset[str] | None = None
        self._told: frozenset[str] = frozenset()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> NoReturn:
        """Keep them until cancelled. Raises StoreError."""
        await self.reload()
        task_status.started()
        while True:
            await anyio.sleep(_EVERY.total_seconds() * (1 + self._chance() / 4))
            await self.reload()

    async def reload(self) -> Loaded:
        """Load the definitions now and return them; a bad one leaves the others as they are."""
        db = self._store.db
        self.loaded = await load(db, folder=self._folder, known=await self._known())
        self._tell(self.loaded)
        await self._keep_versions(db)
        awaited = {row["awaited_event"] for row in await db.fetch(_SQL["awaited_types"])}
        self._starter.learn(self.loaded.workflows, awaited=awaited)
        await self._mind_orphans(db)
        # An event that was just being recorded did not know of the pause.
        await db.execute(_SQL["pause_latecomers"])
        self._on_load()
        return self.loaded

    async def version(self, name: str, version: str) -> Workflow:
        """Return the workflow as it was when an instance started; raises DefinitionError."""
        found = self._versions.get((name, version))
        if found is None:
            found = await self._kept(name, version)
            self._versions[name, version] = found
        return found

    async def _kept(self, name: str, version: str) -> Workflow:
        document = await self._store.document(name, version)
        if document is None:
            raise DefinitionError(f"workflow {name}", [f"version {version} was not kept"])
        return decode(document, source=f"version {version} of {name}")

    async def _keep_versions(self, db: Database) -> None:
        new = [one for one in self.loaded.workflows if (one.name, one.version) not in self._versions]
        if new:
            await db.execute(
                _SQL["remember_versions"],
                [one.name for one in new],
                [one.version for one in new],
                [one.source for one in new],
                [encode(one.document) for one in new],
            )
        self._versions.update({(one.name, one.version): one for one in new})

    async def _mind_orphans(self, db: Database) -> None:
        """Pause what has lost its definition, and let go on what has got it back."""
        names = frozenset(one.name for one in self.loaded.workflows)
        # Only when they change: daemons that do not know the same ones must not undo each other's for ever.
        if names == self._names:
            return
        paused = await db.fetch(_SQL["pause_orphans"], sorted(names))
        resumed = await db.fetch(_SQL["resume_orphans"], sorted(names))
        self._names = names
        for name in sorted({row["workflow_name"] for row in paused}):
            count = sum(row["workflow_name"] == name for row in paused)
            _log.warning("workflow %s: its definition is gone or bad; %d instances are paused", name, count)
        if resumed:
            _log.info("workflows: %d instances go on, their definitions are back", len(resumed))
            self._on_change()

    def _tell(self, loaded: Loaded) -> None:
        """Log each bad definition once, as long as it is bad in the same way."""
        failures = frozenset(str(failure) for failure in loaded.failures)
        for text in sorted(failures - self._told):
            _log.warning("workflows: a definition is not used: %s", text)
        self._told = failures
