"""The systems beside the daemon, as ``[[health.probes]]`` names them."""

from __future__ import annotations

from pcd.health.check import Bounds, Check, Scope

AROUND = (
    Check(
        name="probes",
        reads="probes",
        # A warning at most: restarting this daemon would not bring them back.
        bounds=lambda _: Bounds(warn=1.0),
        owner="A system beside this daemon does not answer. The daemon itself works on.",
        scope=Scope.DAEMON,
        breaks_after=2,
        heals_after=1,
    ),
)
