"""Whether a remedy may be tried now: a decision from what was tried before. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from pcd.health.remedy import Mode, Result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pcd.health.remedy import Past, Remedy

_HOUR = timedelta(hours=1)
_IN_VAIN = (Result.DID_NOT_HELP, Result.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Try it; with *is_dry* only record that it would be tried."""

    is_dry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Do not try it now: *why*. *needs_person* says that a person should know at once."""

    why: str
    needs_person: bool


def prescribe(
    remedy: Remedy, subject: str, *, history: Sequence[Past], mode: Mode, now: datetime
) -> Act | Hold:
    """Return whether *remedy* is to be tried for *subject*, given what was tried before, oldest first.

    The limits count what was really carried out, and in a dry run what would have been, so that the record
    reads as it would without the dry run.
    """
    if not remedy.is_automatic:
        return Hold(why="this needs a person", needs_person=True)
    if mode is Mode.OFF:
        return Hold(why="remedies are switched off (health.remedies)", needs_person=True)
    hold = _held_back(remedy, subject, history=history, now=now)
    return hold or Act(is_dry=mode is Mode.DRY_RUN)


def _held_back(remedy: Remedy, subject: str, *, history: Sequence[Past], now: datetime) -> Hold | None:
    tried = [past for past in history if past.remedy == remedy.name and past.at <= now]
    same = [past for past in tried if past.subject == subject]
    if same and same[-1].result is Result.STARTED and now - same[-1].at < 2 * remedy.within:
        return Hold(why="it is being tried already", needs_person=False)
    if same and now - same[-1].at < remedy.cooldown:
        left = _minutes(remedy.cooldown - (now - same[-1].at))
        has_helped = same[-1].result is Result.HELPED
        done = "it helped, but not for long" if has_helped else "tried already"
        # What did not help has been told by then.
        return Hold(why=f"{done}; again in {left} at the earliest", needs_person=has_helped)
    if (vain := _in_vain(same, now=now)) >= remedy.attempts:
        return Hold(why=f"tried {vain} times in vain", needs_person=True)
    if len([past for past in tried if now - past.at < _HOUR]) >= remedy.per_hour:
        return Hold(why=f"tried {remedy.per_hour} times within an hour", needs_person=True)
    return None


def _in_vain(same: Sequence[Past], *, now: datetime) -> int:
    """Return how many of the last attempts in a row did not help; those of long ago do not count."""
    count = 0
    for past in reversed(same):
        if past.result not in _IN_VAIN or now - past.at > 6 * _HOUR:
            break
        count += 1
    return count


def _minutes(span: timedelta) -> str:
    return f"{max(1, round(span.total_seconds() / 60))} min"
