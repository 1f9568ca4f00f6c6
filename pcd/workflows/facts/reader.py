"""Reads facts from the database at the moment of judging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.db import queries
from pcd.workflows.facts import statements
from pcd.workflows.facts.catalogue import FACTS
from pcd.workflows.facts.fact import Around, Column, Searched
from pcd.workflows.facts.resolve import needed, resolve, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

    from pcd.clock import Clock
    from pcd.db.pool import Connection, Database
    from pcd.workflows.conditions.condition import Value
    from pcd.workflows.facts.fact import Subject

_SQL = queries.load("pcd.workflows.facts")


class FactReader:
    """Reads from *source* (a `Database`, or the connection of a transaction), one statement a call.

    *business* holds the keys of the configuration's ``[business]`` section.
    """

    def __init__(
        self, source: Database | Connection, *, business: Mapping[str, str], zone: ZoneInfo, clock: Clock
    ) -> None:
        self._source = source
        self._business = business
        self._zone = zone
        self._clock = clock

    async def read(self, subject: Subject, names: Iterable[str]) -> dict[str, Value]:
        """Return the facts in *names* about *subject*, as they are now.

        A fact whose row is not there is missing: of the entity and the customer always, of rows that belong
        to them only where no default is declared. No statement is sent for facts that need none. Raises
        ConditionError for a name that is no fact.
        """
        wanted = frozenset(names)
        around = Around(now=self._clock.now(), zone=self._zone)
        found = await self.find(subject, wanted)
        return resolve(wanted, found, subject, business=self._business, around=around)

    async def find(self, subject: Subject, names: Iterable[str]) -> dict[str, Value]:
        """Return what the database holds of all that *names* follow from; `resolve` makes facts of it."""
        wanted = needed(names)
        found = await self._columns(subject, wanted)
        today = self._clock.now().astimezone(self._zone).date()
        for name in wanted:
            source = FACTS[name].source
            if isinstance(source, Searched):
                found[name] = await self._source.fetchval(_SQL[source.query], today, self._zone.key)
        return found

    async def _columns(self, subject: Subject, names: Iterable[str]) -> dict[str, Value]:
        columns = frozenset(
            name for name in names if (fact := FACTS.get(name)) and isinstance(fact.source, Column)
        )
        if not columns or subject.entity_type not in statements.ENTITIES:
            return {}
        statement = statements.read(subject.entity_type, columns)
        row = await self._source.fetchrow(statement.sql, subject.entity_id, subject.customer_id)
        assert row is not None
        is_there, has_customer, *values = row
        found: dict[str, Value] = {}
        for name, value in zip(statement.names, values, strict=True):
            of = statements.row_of(name)
            if (of == subject.entity_type and not is_there) or (of == "customer" and not has_customer):
                continue
            found[name] = value_of(value, FACTS[name].kind)
        return found
