"""What a reading means: a level that does not flutter, and one sentence. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.health.check import Level, Part, Unread, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pcd.health.check import Bounds, Check, Measurement, Reading, Thresholds

_TOLD = 3
# A value has to come back below a bound by this share of it before it counts as better.
_MARGIN = 0.1


def judge(
    check: Check, reading: Reading, *, thresholds: Thresholds, previous: Verdict | None, at: datetime
) -> Verdict:
    """Return the verdict on *reading*, given the *previous* one of the same check.

    A level changes only after as many judgements in a row as *check* says, and falls only once the value
    is clear of its bound. What cannot be measured keeps its level. A subject that is gone is forgotten.
    """
    if isinstance(reading, Unread):
        parts = previous.parts if previous else ()
        text = f"not measured: {reading.reason}"
    else:
        before = {part.subject: part for part in previous.parts} if previous else {}
        bounds = check.bounds(thresholds)
        parts = tuple(
            _judge_part(check, bounds, subject, measured, before.get(subject))
            for subject, measured in sorted(reading.items())
        )
        text = _sentence(parts)
    level = max((part.level for part in parts), key=lambda each: each.rank, default=Level.OK)
    is_same = previous is not None and previous.level is level
    return Verdict(
        check=check.name,
        level=level,
        text=text,
        since=previous.since if previous and is_same else at,
        parts=parts,
        is_measured=not isinstance(reading, Unread),
    )


def level_of(value: float, bounds: Bounds, *, held: Level = Level.OK) -> Level:
    """Return the level of *value*; one that is *held* is left only when the value is clear of its bound."""
    for level, bound in ((Level.FAIL, bounds.fail), (Level.WARN, bounds.warn)):
        limit = bound - abs(bound) * _MARGIN if held.rank >= level.rank else bound
        if value >= limit:
            return level
    return Level.OK


def _judge_part(
    check: Check, bounds: Bounds, subject: str, measured: Measurement, before: Part | None
) -> Part:
    held = before.level if before else Level.OK
    seen = level_of(measured.value, bounds, held=held)
    is_continued = before is not None and before.leaning is seen
    streak = (before.streak if before and is_continued else 0) + 1
    needed = check.breaks_after if seen.rank > held.rank else check.heals_after
    return Part(
        subject=subject,
        level=seen if streak >= needed else held,
        value=measured.value,
        text=measured.text,
        details=measured.details,
        leaning=seen,
        streak=streak,
        needs_person=measured.needs_person,
    )


def _sentence(parts: Sequence[Part]) -> str:
    if not parts:
        return "nothing to measure"
    worst = sorted(parts, key=lambda part: (-part.level.rank, -part.value, part.subject))
    bad = [part for part in worst if part.level is not Level.OK]
    if not bad and len(parts) > 1:
        return f"all {len(parts)} are well"
    told = [part.sentence for part in (bad or worst)[:_TOLD]]
    more = len(bad) - _TOLD
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")
