"""Compare what the configuration names with what the subaccount has. Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcd.ghl.seal import SHORTEST_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pcd.config import GhlConfig
    from pcd.config.shape import InstallPipeline, SalesPipeline
    from pcd.ghl.shapes import CustomField, Pipeline, Subaccount

MULTIPLE = frozenset({"MULTIPLE_OPTIONS", "CHECKBOX"})
"""The kinds of custom fields that hold several options.

Source: HighLevel API documents of 2026-06-19, ``apps/custom-fields.json``.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: what *subject* is like, and, when it is not *ok*, what to do."""

    ok: bool
    subject: str
    text: str
    remedy: str = ""


def settings_findings(config: GhlConfig) -> Iterator[Finding]:
    """Yield what is missing in the configuration before anybody can be asked."""
    if not config.token and not config.oauth.client_id:
        remedy = "make a private integration in the subaccount's settings and put its token there"
        yield _bad("token", "ghl.token (GHL_API_KEY) is not set", remedy)
    if config.oauth.client_id and not config.oauth.client_secret:
        yield _bad("app", "ghl.oauth.client_secret is not set", "take it from the app's settings")
    if config.oauth.client_id and len(config.oauth.encryption_key.reveal()) < SHORTEST_KEY:
        told = f"ghl.oauth.encryption_key has less than {SHORTEST_KEY} characters"
        yield _bad("app", told, "set it to any long text, and keep it: it seals what the app is granted")
    if not config.location_id:
        remedy = "take it from the address bar of the subaccount's dashboard, after /location/"
        yield _bad("subaccount", "ghl.location_id (GHL_LOCATION_ID) is not set", remedy)


def subaccount_findings(there: Subaccount) -> Iterator[Finding]:
    """Yield how the subaccount is set."""
    zone = there.timezone or "no time zone"
    yield _good("subaccount", f"{there.name or there.id}, {there.country or 'no country'}, {zone}")
    if there.allow_duplicate_contact:
        yield _bad(
            "duplicate contacts",
            "are allowed: a second contact of a customer is not refused",
            "turn them off: Settings > Business Profile > Contact Deduplication Preferences",
        )
    else:
        yield _good("duplicate contacts", "are refused")
    told = (
        "are allowed: each job of a customer has its own opportunity"
        if there.allow_duplicate_opportunity
        else "are refused: a returning customer's opportunity is used again, and the old one's end is noted"
    )
    yield _good("several opportunities of a contact", told)


def pipeline_findings(config: GhlConfig, there: Sequence[Pipeline]) -> Iterator[Finding]:
    """Yield whether the pipelines and their stages are there."""
    yield from _pipeline("sales", config.pipelines.sales, there)
    yield from _pipeline("install", config.pipelines.install, there)


def field_findings(
    config: GhlConfig, *, contact: Sequence[CustomField], opportunity: Sequence[CustomField]
) -> Iterator[Finding]:
    """Yield whether the custom fields and the technicians' options are there."""
    keys = config.custom_fields
    yield from _field("customer", keys.customer, contact, "ServiceTitan's id of the customer")
    yield from _field("job", keys.job, opportunity, "the link to the job")
    if not config.technicians:
        yield _good("technicians", "none is mapped to an option")
    for role, key in (("lead", keys.leads), ("helper", keys.helpers)):
        options = {one.option: st_id for st_id, one in config.technicians.items() if one.role == role}
        if options:
            yield from _options(role, key, options, opportunity)


def _pipeline(
    name: str, wanted: SalesPipeline | InstallPipeline, there: Sequence[Pipeline]
) -> Iterator[Finding]:
    subject, setting = f"{name} pipeline", f"ghl.pipelines.{name}"
    found = next((pipeline for pipeline in there if pipeline.id == wanted.id), None)
    if found is None:
        told = (
            f"{setting}.id is not set"
            if not wanted.id
            else f"there is none with the id {wanted.id} (any more)"
        )
        listed = ", ".join(f"{pipeline.name} = {pipeline.id}" for pipeline in there) or "there is none at all"
        yield _bad(subject, told, f"set {setting}.id to one of: {listed}")
        return
    stages = {stage.id: stage.name for stage in found.stages}
    named = {name: getattr(wanted.stages, name) for name in wanted.stages.__struct_fields__}
    missing = {stage: stage_id for stage, stage_id in named.items() if stage_id not in stages}
    for stage, stage_id in missing.items():
        told = f"the stage {stage} is not set" if not stage_id else _gone_stage(stage, stage_id)
        yield _bad(subject, told, _stage_remedy(f"{setting}.stages.{stage}", stage, stages))
    if not missing:
        yield _good(subject, f"{found.name}, with all of its {len(named)} stages")


def _gone_stage(stage: str, stage_id: str) -> str:
    return f"for {stage} there is no stage with the id {stage_id} (any more)"


def _stage_remedy(setting: str, wanted: str, stages: dict[str, str]) -> str:
    by_name = {_plain(name): stage_id for stage_id, name in stages.items()}
    near = difflib.get_close_matches(_plain(wanted), by_name, n=1, cutoff=0.7)
    if near:
        stage_id = by_name[near[0]]
        return f'set {setting} = "{stage_id}", which is {stages[stage_id]}'
    listed = ", ".join(f"{name} = {stage_id}" for stage_id, name in stages.items())
    return f"set {setting} to one of: {listed or 'the pipeline has no stages'}"


def _field(name: str, key: str, there: Sequence[CustomField], meaning: str) -> Iterator[Finding]:
    subject = f"custom field for {meaning}"
    if not key:
        yield _good(subject, f"not wanted: ghl.custom_fields.{name} is empty")
    elif any(field.key == key for field in there):
        yield _good(subject, key)
    else:
        yield _bad(subject, f"there is none with the key {key}", _field_remedy(name, key, there))


def _field_remedy(name: str, key: str, there: Sequence[CustomField]) -> str:
    near = difflib.get_close_matches(key, [field.key for field in there], n=1, cutoff=0.7)
    instead = f' or set ghl.custom_fields.{name} = "{near[0]}"' if near else ""
    return f"add it under Settings > Custom Fields{instead}"


def _options(role: str, key: str, wanted: dict[str, int], there: Sequence[CustomField]) -> Iterator[Finding]:
    subject = f"technicians ({role})"
    field = next((one for one in there if one.key == key), None)
    if field is None:
        yield _bad(subject, f"opportunities have no field {key}", _field_remedy(f"{role}s", key, there))
        return
    if field.data_type not in MULTIPLE:
        told = f"{key} is of the kind {field.data_type or 'unknown'}, which holds no several options"
        yield _bad(subject, told, f"make it a multi-select, or name another in ghl.custom_fields.{role}s")
    missing = {option: st_id for option, st_id in wanted.items() if option not in field.options}
    for option, st_id in missing.items():
        near = next((one for one in field.options if _plain(one) == _plain(option)), "")
        told = f"{key} has no option {option!r}, so GoHighLevel would drop it without a word"
        instead = (
            f'set ghl.technicians.{st_id}.option = "{near}"'
            if near
            else f"add it to the field under Settings > Custom Fields, or take ghl.technicians.{st_id} out"
        )
        yield _bad(subject, told, instead)
    if not missing:
        yield _good(subject, f"{key} has all {len(wanted)} options")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _good(subject: str, text: str) -> Finding:
    return Finding(ok=True, subject=subject, text=text)


def _bad(subject: str, text: str, remedy: str) -> Finding:
    return Finding(ok=False, subject=subject, text=text, remedy=remedy)
