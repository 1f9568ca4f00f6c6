"""Opportunities: one of a contact on a pipeline unless the sub-account allows more, and pipelines.

Source: HighLevel API documents of 2026-06-19, ``apps/opportunities.json``; integrators' reports (the
refusal of a second one, last measured 2026-09-01).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pcd.sim.ghl import refusals, values, wire
from pcd.sim.ghl.contacts import FIELDS
from pcd.sim.ghl.endpoint import Ask, Endpoint, Reply
from pcd.sim.ghl.opportunity_search import GET_PARAMETERS, POST_BODY, OpportunitySearch
from pcd.sim.ghl.records import Opportunity
from pcd.sim.ghl.schema import NEEDED, NUMBER, TEXT, Property, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pcd.sim.ghl.settings import GhlSimSettings
    from pcd.sim.ghl.store import Store

_READ, _WRITE = "opportunities.readonly", "opportunities.write"
STATUSES = ("open", "won", "lost", "abandoned")
_CHANGE: Schema = {
    "pipelineId": TEXT,
    "name": TEXT,
    "pipelineStageId": TEXT,
    "status": Property(choices=STATUSES),
    "monetaryValue": NUMBER,
    "assignedTo": TEXT,
    "customFields": FIELDS,
}
_CREATE: Schema = {
    **_CHANGE,
    "pipelineId": NEEDED,
    "locationId": NEEDED,
    "name": NEEDED,
    "status": Property(required=True, choices=STATUSES),
    "contactId": NEEDED,
}
_STATUS: Schema = {"status": Property(required=True, choices=STATUSES), "lostReasonId": TEXT}


class Opportunities:
    """Answers the requests about opportunities and pipelines."""

    def __init__(self, store: Store, settings: GhlSimSettings) -> None:
        """Work on *store*."""
        self._store = store
        self._settings = settings
        self._search = OpportunitySearch(store, settings)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return what is answered here."""
        every, one, search = "/opportunities/", "/opportunities/{id}", "/opportunities/search"
        return (
            Endpoint(method="POST", path=every, scope=_WRITE, answer=self.create, body=_CREATE),
            Endpoint(
                method="GET",
                path=search,
                scope=_READ,
                answer=self._search.found,
                query=GET_PARAMETERS,
                needs=("location_id",),
            ),
            Endpoint(method="POST", path=search, scope=_READ, answer=self._search.posted, body=POST_BODY),
            Endpoint(
                method="GET",
                path="/opportunities/pipelines",
                scope=_READ,
                answer=self.pipelines,
                query=frozenset({"locationId"}),
                needs=("locationId",),
            ),
            Endpoint(method="GET", path=one, scope=_READ, answer=self.get),
            Endpoint(method="PUT", path=one, scope=_WRITE, answer=self.update, body=_CHANGE),
            Endpoint(method="DELETE", path=one, scope=_WRITE, answer=self.delete),
            Endpoint(method="PUT", path=f"{one}/status", scope=_WRITE, answer=self.set_status, body=_STATUS),
        )

    def create(self, ask: Ask) -> Reply:
        """Answer ``POST /opportunities/``; without a stage it goes into the first one."""
        body, now = ask.body, self._store.clock.now()
        if body["contactId"] not in self._store.contacts:
            raise refusals.missing("Contact", body["contactId"])
        stage_id = self._stage(body["pipelineId"], body.get("pipelineStageId"))
        draft = Opportunity(
            id=self._store.ids.next(),
            name=body["name"],
            contact_id=body["contactId"],
            pipeline_id=body["pipelineId"],
            stage_id=stage_id,
            status=body["status"],
            added_at=now,
            updated_at=now,
            status_changed_at=now,
            stage_changed_at=now,
        )
        self._refuse_second(draft)
        stored = self._store.opportunities.put(self._changed(draft, body, now=now))
        return Reply(status=201, body={"opportunity": self._wire(stored)})

    def update(self, ask: Ask) -> Reply:
        """Answer ``PUT /opportunities/{id}``; another pipeline without a stage means its first stage."""
        held, body, now = self._opportunity(ask.parts["id"]), ask.body, self._store.clock.now()
        pipeline_id = body.get("pipelineId", held.pipeline_id)
        stays = pipeline_id == held.pipeline_id
        wanted = body.get("pipelineStageId", held.stage_id if stays else None)
        stage_id = self._stage(pipeline_id, wanted)
        moved = replace(
            held,
            pipeline_id=pipeline_id,
            stage_id=stage_id,
            stage_changed_at=held.stage_changed_at if stage_id == held.stage_id else now,
        )
        if not stays:
            self._refuse_second(moved)
        stored = self._store.opportunities.put(self._changed(moved, body, now=now))
        return Reply(body={"opportunity": self._wire(stored)})

    def set_status(self, ask: Ask) -> Reply:
        """Answer ``PUT /opportunities/{id}/status``."""
        held, now = self._opportunity(ask.parts["id"]), self._store.clock.now()
        changed = self._changed(held, {"status": ask.body["status"]}, now=now)
        reason = ask.body.get("lostReasonId", held.lost_reason_id)
        self._store.opportunities.put(replace(changed, lost_reason_id=reason))
        return Reply(body={"succeded": True})

    def get(self, ask: Ask) -> Reply:
        """Answer ``GET /opportunities/{id}``, never behind."""
        return Reply(body={"opportunity": self._wire(self._opportunity(ask.parts["id"]))})

    def delete(self, ask: Ask) -> Reply:
        """Answer ``DELETE /opportunities/{id}``."""
        self._store.opportunities.remove(self._opportunity(ask.parts["id"]).id)
        return Reply(body={"succeded": True})

    def pipelines(self, _: Ask) -> Reply:
        """Answer ``GET /opportunities/pipelines``."""
        location_id = self._settings.location_id
        found = [wire.pipeline(one, location_id=location_id) for one in self._store.pipelines.values()]
        return Reply(body={"pipelines": found})

    def _opportunity(self, opportunity_id: str) -> Opportunity:
        found = self._store.opportunities.get(opportunity_id)
        if found is None:
            raise refusals.missing("Opportunity", opportunity_id)
        return found

    def _stage(self, pipeline_id: str, stage_id: str | None) -> str:
        pipeline = self._store.pipelines.get(pipeline_id)
        if pipeline is None:
            raise refusals.bad_request("The pipeline id is invalid.")
        stages = [stage.id for stage in pipeline.stages]
        if stage_id is None and stages:
            return stages[0]
        if stage_id not in stages:
            raise refusals.bad_request("The pipeline stage id is invalid.")
        return stage_id

    def _refuse_second(self, draft: Opportunity) -> None:
        if self._settings.allow_duplicate_opportunity:
            return
        for other in self._store.opportunities_of(draft.contact_id):
            blocks = other.status == "open" or self._settings.closed_opportunity_blocks
            if blocks and other.pipeline_id == draft.pipeline_id and other.id != draft.id:
                raise refusals.duplicate_opportunity(other.id)

    def _changed(self, held: Opportunity, body: Mapping[str, Any], *, now: datetime) -> Opportunity:
        """Return *held* with what *body* says of anything but its place."""
        names = {"name": "name", "status": "status", "monetaryValue": "monetary_value"}
        names["assignedTo"] = "assigned_to"
        changes = {attribute: body[name] for name, attribute in names.items() if name in body}
        if "customFields" in body:
            changes["custom_fields"] = values.merged(
                held.custom_fields,
                body["customFields"],
                fields=self._store.custom_fields,
                model="opportunity",
            )
        if changes.get("status", held.status) != held.status:
            changes["status_changed_at"] = now
        return replace(held, **changes, updated_at=now)

    def _wire(self, record: Opportunity) -> dict[str, Any]:
        return wire.opportunity(
            record,
            owner=self._store.contacts.get(record.contact_id),
            location_id=self._settings.location_id,
            form=self._settings.field_form,
        )
