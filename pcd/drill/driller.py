"""Plays scenarios one after another."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from pcd.drill.ground import NotWell
from pcd.drill.scenario import Finding, nothing

if TYPE_CHECKING:
    from pcd.drill.ground import Ground
    from pcd.drill.scenario import Scenario

_LONGEST = 160


async def play(ground: Ground, scenario: Scenario) -> Finding:
    """Break it while a customer arrives, wait for the sign, mend it, wait until all is well."""
    finding = Finding(name=scenario.name, what=scenario.what, answer=scenario.answer)
    if why := scenario.needs(ground):
        return replace(finding, skipped=why)
    ground.mark()
    broken_at = time.monotonic()
    await scenario.breaks(ground)
    ground.customer_arrives()

    async def is_seen() -> bool:
        return bool(ground.sign(scenario.sign))

    try:
        await ground.until(is_seen, what="a sign in the log")
    except NotWell:
        await scenario.mends(ground)
        return finding
    seen_after = time.monotonic() - broken_at
    mended_at = broken_at if scenario.mends is nothing else time.monotonic()
    await scenario.mends(ground)
    try:
        await ground.until(ground.is_well, what="all well again")
        lost: tuple[str, ...] = ()
    except NotWell as error:
        lost = await ground.lost() or (str(error),)
    return replace(
        finding,
        seen=_plain(ground.sign(scenario.sign)),
        seen_after=seen_after,
        well_after=time.monotonic() - mended_at,
        lost=lost,
    )


def _plain(line: str) -> str:
    """Return a line of the log without its time and level."""
    return line.split(maxsplit=2)[-1][:_LONGEST]
