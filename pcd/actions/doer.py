"""Does what an agent decided, to the one customer of its step."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, assert_never

from pcd.actions import agent_tools as t
from pcd.crm.calls import CallKind
from pcd.workflows.outcome import Done, Fail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcd.actions.courier import Courier
    from pcd.actions.ower import Ower
    from pcd.clock import Clock
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome

_DUE_IN = timedelta(days=1)


class Doer:
    """Performs tools in order; each has a key of its own, so that a second try does none of them twice."""

    def __init__(self, courier: Courier, ower: Ower, *, clock: Clock) -> None:
        self._courier = courier
        self._ower = ower
        self._clock = clock

    async def do(self, call: StepCall, tools: Sequence[t.Tool]) -> Outcome:
        """Return what came of all *tools*, or of the first that is not done.

        What fails behind a message that went out leaves no room for a fallback: a person looks.
        """
        messages, done = 0, []
        for number, tool in enumerate(tools, start=1):
            outcome = await self._do(call, tool, key=f"{call.idempotency_key}:{number}")
            match outcome:
                case Done():
                    messages += outcome.messages
                    done.append({"tool": tool.__struct_config__.tag, **outcome.output})
                case Fail(error=error) if messages:
                    return Fail(error=error, is_unknown=True)
                case _:
                    return outcome
        return Done(output={"done": done}, messages=messages)

    async def _do(self, call: StepCall, tool: t.Tool, *, key: str) -> Outcome:
        match tool:
            case t.SendSms():
                return await self._courier.sms(call, tool.text, key=key)
            case t.SendEmail():
                return await self._courier.email(call, tool.text, subject=tool.subject, key=key)
            case t.AddNote():
                return await self._ower.owe(call, CallKind.ADD_NOTE, {"body": tool.body}, key=key)
            case t.AddTags():
                return await self._ower.owe(call, CallKind.ADD_TAGS, {"tags": list(tool.tags)}, key=key)
            case t.CreateTask():
                return await self._ower.owe(call, CallKind.ADD_TASK, self._task(tool), key=key)
            case t.Decline():
                return Fail(error=f"ask_agent: the model declines: {tool.reason}")
            case _:
                assert_never(tool)

    def _task(self, tool: t.CreateTask) -> dict[str, Any]:
        due_at = (self._clock.now() + _DUE_IN).replace(microsecond=0)
        task = {"title": tool.title, "due_at": due_at.isoformat()}
        return {**task, "body": tool.body} if tool.body else task
