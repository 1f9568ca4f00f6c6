"""Adds tags to the customer's GoHighLevel contact."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pcd.actions.parameters import AddTags as Parameters
from pcd.crm.calls import CallKind

if TYPE_CHECKING:
    import msgspec

    from pcd.actions.ower import Ower
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome


class AddTags:
    """``add_tags``: tags come back from GoHighLevel in lower case."""

    name = "add_tags"
    parameters = Parameters
    is_message = False

    def __init__(self, ower: Ower) -> None:
        self._ower = ower

    async def perform(self, call: StepCall) -> Outcome:
        """Owe the tags."""
        tags = list(cast("Parameters", call.parameters).tags)
        return await self._ower.owe(call, CallKind.ADD_TAGS, {"tags": tags}, key=call.idempotency_key)

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
        return f"tag the contact: {', '.join(cast('Parameters', parameters).tags)}"
