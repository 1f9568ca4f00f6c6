"""The facts about one instance, each read when somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from pcd.db import queries
from pcd.workflows.facts.fact import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pcd.db.pool import Database
    from pcd.workflows.facts.reader import FactReader
    from pcd.workflows.instance import Instance

_SQL = queries.load("pcd.workflows")


class Lookup:
    """Facts about one instance, each read when it is asked for; the event is only fetched if one is."""

    def __init__(self, instance: Instance, *, db: Database, reader: FactReader) -> None:
        self._instance = instance
        self._db = db
        self._reader = reader
        self._subject: Subject | None = None
        self._known: dict[str, Any] = {}

    @property
    def known(self) -> Mapping[str, Any]:
        """The facts that have been read so far, by dotted name."""
        return self._known

    async def get(self, name: str) -> Any:  # noqa: ANN401 - a fact of any kind
        """Return one fact; raises ConditionError for an unknown one."""
        await self.read((name,))
        return self._known.get(name)

    async def read(self, names: Iterable[str]) -> Mapping[str, Any]:
        """Read those of *names* that are not known yet, at once, and return all that is known."""
        missing = frozenset(names) - self._known.keys()
        if missing:
            self._known |= await self._reader.read(await self._about(), missing)
        return self._known

    async def read_again(self, names: Iterable[str]) -> Mapping[str, Any]:
        """Return *names* as they are now, whatever was read before."""
        wanted = frozenset(names)
        return await self._reader.read(await self._about(), wanted) if wanted else {}

    async def _about(self) -> Subject:
        if self._subject is None:
            instance = self._instance
            payload = await self._db.fetchval(_SQL["payload"], instance.event_id)
            self._subject = Subject(
                entity_type=instance.entity_type,
                entity_id=instance.entity_id,
                customer_id=instance.customer_id,
                event=orjson.loads(payload) if payload else {},
                told={
                    "message_count": instance.message_count,
                    "name": instance.workflow,
                    "started_at": instance.started_at,
                },
                context=instance.context,
            )
        return self._subject
