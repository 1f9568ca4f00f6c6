"""Adds a note to the customer's GoHighLevel contact."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pcd.actions.parameters import AddNote as Parameters
from pcd.crm.calls import CallKind
from pcd.workflows.outcome import Fail

if TYPE_CHECKING:
    import msgspec

    from pcd.actions.ower import Ower
    from pcd.actions.teller import Teller
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome


class AddNote:
    """``add_note``: owed once for each step of an instance."""

    name = "add_note"
    parameters = Parameters
    is_message = False

    def __init__(self, teller: Teller, ower: Ower) -> None:
        self._teller = teller
        self._ower = ower

    async def perform(self, call: StepCall) -> Outcome:
        """Owe the note."""
        try:
            body = await self._teller.say(call, cast("Parameters", call.parameters).body)
        except ValueError as error:
            return Fail(error=str(error))
        return await self._ower.owe(call, CallKind.ADD_NOTE, {"body": body}, key=call.idempotency_key)

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
        return f"note on the contact: {cast('Parameters', parameters).body}"
