"""Puts the customer's contact into a workflow of GoHighLevel's."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pcd.actions.parameters import EnrolInGhlWorkflow as Parameters
from pcd.crm.calls import CallKind

if TYPE_CHECKING:
    import msgspec

    from pcd.actions.ower import Ower
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome


class EnrolInGhlWorkflow:
    """``enrol_in_ghl_workflow``: what that workflow then sends is theirs, and no message of ours."""

    name = "enrol_in_ghl_workflow"
    parameters = Parameters
    is_message = False

    def __init__(self, ower: Ower) -> None:
        self._ower = ower

    async def perform(self, call: StepCall) -> Outcome:
        """Owe the enrolment."""
        fields = {"workflow_id": cast("Parameters", call.parameters).workflow_id}
        return await self._ower.owe(call, CallKind.ENROL, fields, key=call.idempotency_key)

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
        return f"put the contact into GoHighLevel's workflow {cast('Parameters', parameters).workflow_id}"
