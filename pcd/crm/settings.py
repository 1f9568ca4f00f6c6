"""What a decision about GoHighLevel depends on besides the facts, from the configuration and the account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pcd.crm.desired import Pipeline, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pcd.config import Config
    from pcd.config.shape import GhlConfig
    from pcd.crm.desired import Status
    from pcd.ghl.shapes import CustomField
    from pcd.ghl.shapes import Pipeline as GhlPipeline

LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageIds:
    """Where a stage is in the account."""

    pipeline_id: str
    stage_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Technician:
    """What stands for a technician: the *option* of the field of that *role*."""

    option: str
    role: str = "lead"


@dataclass(frozen=True, slots=True, kw_only=True)
class PickList:
    """A multi-select field and the options that it has."""

    id: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomFields:
    """The custom fields that we fill; None where the account has none. *technicians* go by role."""

    customer: str | None = None
    job: str | None = None
    technicians: Mapping[str, PickList] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the account itself says. Until it was asked, the configuration is believed."""

    country: str = ""
    allow_duplicate_contact: bool = False
    allow_duplicate_opportunity: bool = False
    pipelines: Sequence[GhlPipeline] | None = None
    fields: Sequence[CustomField] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmSettings:
    """Everything that `pcd.crm.desire.desire` may know besides the facts and the time.

    *since* is when GoHighLevel was enabled here: work that was over before then opens nothing. A backfill
    sets *backfill_since*: every customer has a contact then, and work that is under way counts if it is not
    older than that. *stages* lack those that the account does not have; *install_names* are the words by
    which the reader knows an install unit.
    """

    country: str = "US"
    since: datetime = LONG_AGO
    backfill_since: datetime | None = None
    stages: Mapping[Stage, StageIds] = field(default_factory=dict)
    followup_after: timedelta | None = timedelta(days=7)
    sold_status: Status = "won"
    allow_duplicate_contact: bool = False
    allow_duplicate_opportunity: bool = False
    technicians: Mapping[int, Technician] = field(default_factory=dict)
    custom_fields: CustomFields = field(default_factory=CustomFields)
    install_names: tuple[str, ...] = ("Install",)
    auto_sync_customers: bool = False
    auto_sync_jobs: bool = False
    auto_sync_estimates: bool = False


def settings_of(config: Config, *, since: datetime, place: Place | None = None) -> CrmSettings:
    """Return the settings under *config* in an account that says *place* of itself."""
    place = place or Place()
    ghl = config.ghl
    return CrmSettings(
        country=(place.country or "US").upper(),
        since=since,
        stages=_stages(ghl, place.pipelines),
        followup_after=ghl.followup_after,
        sold_status="won" if ghl.sold_status == "won" else "open",
        allow_duplicate_contact=place.allow_duplicate_contact,
        allow_duplicate_opportunity=place.allow_duplicate_opportunity,
        technicians={
            st_id: Technician(option=each.option, role=each.role) for st_id, each in ghl.technicians.items()
        },
        custom_fields=_custom_fields(ghl, place.fields),
        install_names=config.events.install_business_units,
        auto_sync_customers=ghl.auto_sync_customers,
        auto_sync_jobs=ghl.auto_sync_jobs,
        auto_sync_estimates=ghl.auto_sync_estimates,
    )


def _stages(ghl: GhlConfig, pipelines: Sequence[GhlPipeline] | None) -> Mapping[Stage, StageIds]:
    sales, install = ghl.pipelines.sales, ghl.pipelines.install
    there = None if pipelines is None else {(one.id, stage.id) for one in pipelines for stage in one.stages}
    found = {}
    for stage in Stage:
        if stage.pipeline is Pipeline.SALES:
            pipeline_id, stage_id = sales.id, getattr(sales.stages, stage.value)
        else:
            pipeline_id, stage_id = install.id, getattr(install.stages, stage.value)
        if pipeline_id and stage_id and (there is None or (pipeline_id, stage_id) in there):
            found[stage] = StageIds(pipeline_id=pipeline_id, stage_id=stage_id)
    return found


def _custom_fields(ghl: GhlConfig, fields: Sequence[CustomField]) -> CustomFields:
    by_key = {each.key: each for each in fields}
    keys = ghl.custom_fields
    lists = {"lead": by_key.get(keys.leads), "helper": by_key.get(keys.helpers)}
    customer, job = by_key.get(keys.customer), by_key.get(keys.job)
    return CustomFields(
        customer=customer.id if customer else None,
        job=job.id if job else None,
        technicians={
            role: PickList(id=one.id, options=frozenset(one.options)) for role, one in lists.items() if one
        },
    )
