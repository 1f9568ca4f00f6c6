"""Waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pcd.actions.parameters import Wait as Parameters
from pcd.config import durations
from pcd.workflows.outcome import Done, Wait

if TYPE_CHECKING:
    import msgspec

    from pcd.clock import Clock
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome


class WaitAction:
    """``wait``: the instance's due time is all that it costs."""

    name = "wait"
    parameters = Parameters
    is_message = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def perform(self, call: StepCall) -> Outcome:
        """Ask to be called again once the time is up, and be done then."""
        now = self._clock.now()
        until = call.waited_until or now + durations.parse(cast("Parameters", call.parameters).for_)
        if until <= now:
            return Done(output={"waited_until": until.isoformat()})
        return Wait(until=until, reason="waits")

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return in one line what it would do."""
        return f"wait {cast('Parameters', parameters).for_}"
