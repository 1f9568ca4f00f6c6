"""Measures how late the event loop wakes a sleeper, and whether the wall clock was set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from pcd.health.check import Measurement

if TYPE_CHECKING:
    from typing import NoReturn

    from anyio.abc import TaskStatus

    from pcd.clock import Clock

_TICK = 0.5


class Pacer:
    """A service: sleeps for moments and remembers the worst of them, and by how much the clocks drifted."""

    name = "pacer"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._worst = 0.0
        self._step = 0.0

    async def run(self, *, task_status: TaskStatus[None]) -> NoReturn:
        """Tick until cancelled."""
        task_status.started()
        while True:
            wall, before = self._clock.now(), self._clock.monotonic()
            await anyio.sleep(_TICK)
            passed = self._clock.monotonic() - before
            self._worst = max(self._worst, passed - _TICK)
            step = (self._clock.now() - wall).total_seconds() - passed
            self._step = max(self._step, abs(step))

    def take_lag(self) -> Measurement:
        """Return the worst lag since this was last asked."""
        lag, self._worst = max(self._worst, 0.0), 0.0
        return Measurement(value=lag, text=f"woke a sleeper {lag * 1000:.0f} ms late at worst")

    def take_step(self) -> Measurement:
        """Return by how much the wall clock was set since this was last asked."""
        step, self._step = self._step, 0.0
        text = f"the wall clock was set by {step:.1f} s" if step >= 1 else "the wall clock runs evenly"
        return Measurement(value=step, text=text)
