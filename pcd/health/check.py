"""The shapes of watching: what is measured, how a check is declared, and what is found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta


class Level(StrEnum):
    """How bad it is: work goes on, somebody should look, work stands still."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"

    @property
    def rank(self) -> int:
        """0 for ok, 2 for fail."""
        return (Level.OK, Level.WARN, Level.FAIL).index(self)


class Scope(StrEnum):
    """Whose trouble it is: each daemon's own, or the same for all daemons on one database."""

    DAEMON = "daemon"
    DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What the configuration says about how bad is bad."""

    sync_stalled_after: timedelta
    workflow_stalled_after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """From which value on it is a warning and from which a failure. More is always worse."""

    warn: float = math.inf
    fail: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One value of one subject, and the sentence that says it. Neither ever holds a customer's data.

    *needs_person* says that what is wrong is nothing that a remedy could mend.
    """

    value: float
    text: str
    details: Mapping[str, float | str] = field(default_factory=dict)
    needs_person: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """Why something could not be measured."""

    reason: str


Reading: TypeAlias = "Mapping[str, Measurement] | Unread"
"""What was measured, by subject (a resource, a probe; ``""`` where there is one only)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to watch, as data.

    *reads* names its reading, *bounds* turns the configuration into limits. *remedy* is what is tried while
    it fails (empty: no rule covers it), for the service *heals* (empty: for each subject that fails).
    *owner* tells the owner of the business what it means and what to do. The level rises after
    *breaks_after* bad judgements in a row and falls after *heals_after* good ones. It is not logged where
    whoever notices first has told already.
    """

    name: str
    reads: str
    bounds: Callable[[Thresholds], Bounds]
    owner: str
    remedy: str = ""
    heals: str = ""
    scope: Scope = Scope.DATABASE
    breaks_after: int = 1
    heals_after: int = 2
    is_logged: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How one subject of a check is. *leaning* is where it has been pointing for *streak* judgements."""

    subject: str
    level: Level
    value: float
    text: str
    details: Mapping[str, float | str] = field(default_factory=dict)
    leaning: Level = Level.OK
    streak: int = 0
    needs_person: bool = False

    @property
    def sentence(self) -> str:
        """Its text, with its name where it has one."""
        return f"{self.subject}: {self.text}" if self.subject else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a check: the worst of its *parts*. *since* is when it came to this level.

    Where nothing could be measured the level is the last known one, and *is_measured* false.
    """

    check: str
    level: Level
    text: str
    since: datetime
    parts: tuple[Part, ...] = ()
    is_measured: bool = True

    @property
    def worst(self) -> Part | None:
        """The part that decides, None where there is none."""
        return max(self.parts, key=lambda part: (part.level.rank, part.value), default=None)
