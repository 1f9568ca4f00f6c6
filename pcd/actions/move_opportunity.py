"""Moves the customer's opportunity to a stage, and sets its status."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pcd.actions.parameters import MoveOpportunity as Parameters
from pcd.crm.calls import CallKind
from pcd.crm.desired import Stage
from pcd.db import queries
from pcd.workflows.outcome import Done, Fail, Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from pcd.actions.ower import Ower
    from pcd.crm.settings import StageIds
    from pcd.db.pool import Database, Record
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome

_SQL = queries.load("pcd.actions")
_PROTECTED = (Stage.JOB_SOLD, Stage.ESTIMATE_LOST)


class MoveOpportunity:
    """``move_opportunity``: forward only, and never out of a sold, lost or install opportunity.

    The opportunity is that of the instance's estimate or job, otherwise the customer's newest. When
    ServiceTitan's facts change afterwards, they decide again.
    """

    name = "move_opportunity"
    parameters = Parameters
    is_message = False

    def __init__(self, db: Database, ower: Ower, stages: Mapping[Stage, StageIds]) -> None:
        self._db = db
        self._ower = ower
        self._stages = stages

    async def perform(self, call: StepCall) -> Outcome:
        """Owe the move, unless the opportunity is there, or further, already."""
        told = cast("Parameters", call.parameters)
        stage = told.stage
        place = self._stages.get(stage)
        if place is None:
            return Fail(error=f"move_opportunity: ghl.pipelines.{stage.pipeline} has no id for stage {stage}")
        if call.customer_id is None:
            return Fail(error="the event names no customer")
        row = await self._db.fetchrow(_SQL["opportunity"], call.customer_id, call.entity_type, call.entity_id)
        if row is None:
            return Retry(error=f"customer {call.customer_id} has no opportunity in GoHighLevel (yet)")
        if reason := self._why_kept(row, stage, told.status):
            return Done(output={"opportunity": row["opportunity_id"], "kept": reason})
        fields = {"pipelineId": place.pipeline_id, "pipelineStageId": place.stage_id}
        if told.status:
            fields["status"] = told.status
        return await self._ower.owe(
            call,
            CallKind.UPDATE_OPPORTUNITY,
            fields,
            key=call.idempotency_key,
            target=row["opportunity_id"],
            why=f"to {told.stage}",
        )

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
        told = cast("Parameters", parameters)
        status = f", {told.status}" if told.status else ""
        return f"move the opportunity to {told.stage}{status}"

    def _why_kept(self, row: Record, stage: Stage, status: str) -> str:
        """Return why the opportunity stays where it is, "" when it is to be moved."""
        present = next((one for one, ids in self._stages.items() if ids.stage_id == row["stage_id"]), None)
        if present is None:
            return ""
        if present is stage and status in {"", row["status"]}:
            return "it is there already"
        if present is not stage and (present in _PROTECTED and stage.pipeline is present.pipeline):
            return f"{present.value} is not left within its pipeline"
        return f"it is further already: {present.value}" if present.rank > stage.rank else ""
