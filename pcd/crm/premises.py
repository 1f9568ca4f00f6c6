"""What decisions stand on besides the facts: the configuration, the account, since when we are here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import orjson

from pcd.crm.settings import LONG_AGO, Place, settings_of
from pcd.db import queries
from pcd.ghl.shapes import CustomField, Pipeline, Stage

if TYPE_CHECKING:
    from datetime import datetime

    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.crm.settings import CrmSettings
    from pcd.db.pool import Database

_SQL = queries.load("pcd.crm")

SETTLED_FOR: Final = timedelta(minutes=15)
"""How long after a pull our copies of contacts count as complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """How current our copy of a collection is."""

    collection: str
    full_completed_at: datetime | None
    seen_until: datetime | None
    pulled_at: datetime


class Premises:
    """The present settings of one database under *config*; `refresh` reads them anew."""

    def __init__(self, config: Config, *, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.settings: CrmSettings = settings_of(config, since=LONG_AGO)
        self.baseline_at: datetime | None = None
        self.place: Place | None = None
        self.pulls: dict[str, Pull] = {}

    @property
    def is_settled(self) -> bool:
        """Whether our copies of their contacts tell as much as looking there would.

        A contact that was made meanwhile is refused as a duplicate, unless the account allows duplicates.
        """
        contacts = self.pulls.get("contacts")
        if contacts is None or contacts.full_completed_at is None or contacts.seen_until is None:
            return False
        is_fresh = self._clock.now() - contacts.seen_until < SETTLED_FOR
        return is_fresh and not self.settings.allow_duplicate_contact

    @property
    def was_pulled(self) -> bool:
        """Whether there are complete copies at all."""
        return all(
            name in self.pulls and self.pulls[name].full_completed_at is not None
            for name in ("contacts", "opportunities")
        )

    @property
    def missing(self) -> tuple[str, ...]:
        """The configured stages that the account does not have (any more); what needs them waits."""
        configured = settings_of(self._config, since=LONG_AGO).stages
        return tuple(stage.value for stage in configured if stage not in self.settings.stages)

    def has_stage(self, stage_id: str) -> bool:
        """Whether a configured stage that is there has this id."""
        return any(ids.stage_id == stage_id for ids in self.settings.stages.values())

    async def refresh(self, db: Database) -> None:
        """Read all of it anew."""
        progress = await db.fetchrow(_SQL["progress"])
        self.baseline_at = progress["baseline_at"] if progress else None
        self.pulls = {row["collection"]: Pull(**dict(row)) for row in await db.fetch(_SQL["pulls"])}
        self.place = await _read_place(db)
        self.settings = settings_of(self._config, since=self.baseline_at or LONG_AGO, place=self.place)


async def _read_place(db: Database) -> Place | None:
    row = await db.fetchrow(_SQL["place"])
    if row is None:
        return None
    return Place(
        country=row["country"],
        allow_duplicate_contact=row["allow_duplicate_contact"],
        allow_duplicate_opportunity=row["allow_duplicate_opportunity"],
        pipelines=[
            Pipeline(
                id=each["ghl_id"],
                name=each["name"],
                stages=tuple(Stage(**stage) for stage in orjson.loads(each["stages"])),
            )
            for each in await db.fetch(_SQL["pipelines"])
        ],
        fields=[
            CustomField(
                id=each["ghl_id"],
                key=each["field_key"],
                name=each["name"],
                model=each["model"],
                options=tuple(orjson.loads(each["options"])),
            )
            for each in await db.fetch(_SQL["custom_fields"])
        ],
    )
