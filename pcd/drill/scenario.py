"""The shapes of a drill: what is broken and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pcd.drill.ground import Ground

Deed: TypeAlias = "Callable[[Ground], Awaitable[None]]"


async def nothing(_ground: Ground) -> None:
    """Do nothing: the daemon is to help itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing that goes wrong.

    *breaks* does it. The daemon has seen it when a line of its log matches *sign*. *mends* repairs what no
    daemon can repair from inside. *answer* is what the daemon does about it, for people. *needs* says why
    it cannot be played here, empty where it can.
    """

    name: str
    what: str
    answer: str
    sign: str
    breaks: Deed
    mends: Deed = nothing
    needs: Callable[[Ground], str] = lambda _: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of one scenario. Times are seconds.

    *seen* is the line of the daemon's log that told of it, *seen_after* since it was broken; *well_after* is
    since it was mended, or broken where nobody mends. *lost* names what is missing or there twice.
    """

    name: str
    what: str
    answer: str = ""
    skipped: str = ""
    seen: str = ""
    seen_after: float = 0.0
    well_after: float = 0.0
    lost: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it was seen, and nothing was lost."""
        return bool(self.skipped or (self.seen and not self.lost))
