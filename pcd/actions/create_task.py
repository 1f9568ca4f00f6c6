"""Creates a task on the customer's GoHighLevel contact."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pcd.actions.parameters import CreateTask as Parameters
from pcd.config import durations
from pcd.crm.calls import CallKind
from pcd.workflows.outcome import Fail

if TYPE_CHECKING:
    import msgspec

    from pcd.actions.ower import Ower
    from pcd.actions.teller import Teller
    from pcd.clock import Clock
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome


class CreateTask:
    """``create_task``: owed once for each step of an instance, due as counted from its first try."""

    name = "create_task"
    parameters = Parameters
    is_message = False

    def __init__(self, teller: Teller, ower: Ower, *, clock: Clock) -> None:
        self._teller = teller
        self._ower = ower
        self._clock = clock

    async def perform(self, call: StepCall) -> Outcome:
        """Owe the task."""
        told = cast("Parameters", call.parameters)
        try:
            title = await self._teller.say(call, told.title)
            body = await self._teller.say(call, told.body)
        except ValueError as error:
            return Fail(error=str(error))
        due_at = self._clock.now().replace(microsecond=0) + durations.parse(told.due_in)
        fields = {"title": title, "body": body, "due_at": due_at.isoformat(), "assigned_to": told.assigned_to}
        fields = {name: value for name, value in fields.items() if value}
        return await self._ower.owe(call, CallKind.ADD_TASK, fields, key=call.idempotency_key)

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
        told = cast("Parameters", parameters)
        return f"task due in {told.due_in}: {told.title}"
