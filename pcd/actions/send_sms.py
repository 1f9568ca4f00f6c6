"""Sends a text message to the customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pcd.actions.parameters import SendSms as Parameters
from pcd.messages.message import Channel
from pcd.workflows.outcome import Fail

if TYPE_CHECKING:
    import msgspec

    from pcd.actions.courier import Courier
    from pcd.actions.drafter import Drafter
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome


class SendSms:
    """``send_sms``: once for each step of an instance, however often it is tried."""

    name = "send_sms"
    parameters = Parameters
    is_message = True

    def __init__(self, drafter: Drafter, courier: Courier) -> None:
        self._drafter = drafter
        self._courier = courier

    async def perform(self, call: StepCall) -> Outcome:
        """Send it, or say why not; a variable that is missing fails the step before anything is sent."""
        told = cast("Parameters", call.parameters)
        try:
            if told.template:
                draft = await self._drafter.fill(call, told.template, channel=Channel.SMS)
            else:
                draft = await self._drafter.write(call, text=told.text)
        except ValueError as error:
            return Fail(error=str(error))
        return await self._courier.sms(call, draft.text, key=call.idempotency_key, template=draft.template)

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
        told = cast("Parameters", parameters)
        return f"text the customer: {f'template {told.template}' if told.template else told.text}"
