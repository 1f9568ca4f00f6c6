"""A whole simulated sub-account, served over HTTP, with somebody at work in it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcd.sim.clock import SimClock
from pcd.sim.front import hosted
from pcd.sim.ghl.server import Simulator
from pcd.sim.ghl.settings import GhlSimSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pcd.sim.trouble import TroubleRates


@dataclass(frozen=True, slots=True, kw_only=True)
class Subaccount:
    """A simulator that serves a sub-account, and where.

    What a program needs to call it stands in ``simulator.settings``: *token*, *location_id*.
    """

    url: str
    simulator: Simulator


@asynccontextmanager
async def open_subaccount(
    *,
    settings: GhlSimSettings | None = None,
    faults: TroubleRates | None = None,
    clock: SimClock | None = None,
    port: int = 0,
) -> AsyncIterator[Subaccount]:
    """Serve an empty sub-account on loopback until the block is left.

    ``simulator.store`` holds what was written, ``simulator.calls`` what was asked, ``simulator.troubles``
    plans what goes wrong, ``simulator.person`` works in the user interface. Raises OSError when *port*
    is taken.
    """
    simulator = Simulator(settings or GhlSimSettings(), clock=clock or SimClock(), faults=faults)
    async with hosted(simulator.app(), port=port) as url:
        yield Subaccount(url=url, simulator=simulator)
