"""What can be tried when something fails, each remedy declared once, as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Mode(StrEnum):
    """``health.remedies``: act, only record what would be done, or do not even that."""

    ON = "on"
    DRY_RUN = "dry_run"
    OFF = "off"


class Result(StrEnum):
    """What came of a remedy, as `automation.remedies` says it."""

    STARTED = "started"
    HELPED = "helped"
    DID_NOT_HELP = "did_not_help"
    FAILED = "failed"
    DRY_RUN = "dry_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One thing to try. *alias* is its name in the old system; *doing* and *done* are what people are told.

    It is tried again after *cooldown* at the earliest, at most *per_hour* times in an hour, and given up for
    a person after *attempts* in a row that did not help. It has helped when the check is better *within* that
    time. *is_automatic* says that it may be carried out without a person.
    """

    name: str
    alias: str
    doing: str
    done: str
    cooldown: timedelta = timedelta(minutes=10)
    per_hour: int = 3
    attempts: int = 2
    within: timedelta = timedelta(minutes=2)
    is_automatic: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """That a remedy was tried for *subject* of a check, and what came of it."""

    remedy: str
    check: str
    subject: str
    at: datetime
    result: Result


_REMEDIES = (
    Remedy(
        name="resync",
        alias="trigger_sync",
        doing="Triggering manual sync...",
        done="Manual sync completed successfully",
        cooldown=timedelta(minutes=15),
        per_hour=2,
        within=timedelta(minutes=10),
    ),
    Remedy(
        name="reclaim_workflows",
        alias="reset_workflows",
        doing="Taking back stalled workflows...",
        done="Stalled workflows go on",
        cooldown=timedelta(minutes=10),
    ),
    Remedy(
        name="restart_services",
        alias="restart_workers",
        doing="Restarting what is broken...",
        done="Restarted, and it works",
        cooldown=timedelta(minutes=5),
        per_hour=6,
        attempts=3,
    ),
    Remedy(
        name="ask_person",
        alias="alert_human",
        doing="Asking a person...",
        done="A person was told",
        is_automatic=False,
    ),
)

REMEDIES: Mapping[str, Remedy] = {remedy.name: remedy for remedy in _REMEDIES}
ASK_PERSON = REMEDIES["ask_person"]


def remedy_named(name: str) -> Remedy | None:
    """Return the remedy of that name or old alias, None where there is none."""
    return REMEDIES.get(name) or next((each for each in _REMEDIES if each.alias == name), None)
