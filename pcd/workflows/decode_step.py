"""Make a step of its table: when it is due, what it waits for, what it does, where it goes on. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

from pcd.errors import ConditionError
from pcd.events.rules import RULES
from pcd.workflows.conditions import ALWAYS
from pcd.workflows.delays import LONGEST, parse_delay
from pcd.workflows.facts.names import kinds_at
from pcd.workflows.sheet import Sheet, nearest
from pcd.workflows.workflow import (
    END,
    EVERY_DAY,
    After,
    AtTime,
    Branch,
    Delay,
    Fallback,
    Hours,
    OnDate,
    RetryPolicy,
    Step,
    Until,
    WaitFor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pcd.workflows.conditions import Condition, Kinds
    from pcd.workflows.workflow import Wait

    ConditionOf = Callable[[Sheet, str, Kinds], Condition | None]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NOON = time(12)
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::00)?")
_SECOND = timedelta(seconds=1)
_FIRST_YEAR, _LAST_YEAR = 1900, 9000
_DEFAULTS = RetryPolicy()


def decode_step(
    sheet: Sheet,
    number: int,
    names: Sequence[str],
    *,
    kinds: Kinds,
    around: Hours | None,
    condition_of: ConditionOf,
) -> Step:
    """Return the step; *names* are those of all steps, *around* the hours of the whole workflow."""
    any_time = sheet.truth("any_time", default=False)
    step = Step(
        number=number,
        name=sheet.text("name", names[number - 1], longest=100),
        action=sheet.text("action", longest=100),
        parameters=_table(sheet, "with"),
        delay=Delay(wait=_wait(sheet, kinds), within=None if any_time else around),
        condition=condition_of(sheet, "when", kinds),
        wait_for=_wait_for(sheet, condition_of),
        branches=tuple(_branches(sheet, number, names, kinds, condition_of)),
        retry=_retry(sheet),
        timeout=sheet.duration("timeout", timedelta(seconds=30), least=_SECOND, most=timedelta(minutes=15)),
        on_blocked=cast(
            "Literal['wait', 'drop']", sheet.choice("on_blocked", ("wait", "drop"), default="wait")
        ),
        fallback=_fallback(sheet),
    )
    sheet.finish()
    return step


def hours(sheet: Sheet, key: str) -> Hours | None:
    """Return the business hours that stand under *key*, None where none do."""
    value = sheet.take(key)
    if value is None:
        return None
    inner = Sheet(value, place=sheet.at(key), problems=sheet.problems)
    opens = inner.read("opens", _time, time(9))
    closes = inner.read("closes", _time, time(18))
    days = _weekdays(inner, "days", frozenset(range(5)))
    inner.finish()
    if opens >= closes:
        inner.wrong("closes", f"expected a time after {opens:%H:%M}, found {closes:%H:%M}")
    return Hours(opens=opens, closes=closes, days=days)


def _wait(sheet: Sheet, kinds: Kinds) -> Wait:
    value = sheet.take("delay")
    if value is None or isinstance(value, str):
        return sheet.read("delay", parse_delay, After()) if value else After()
    inner = Sheet(value, place=sheet.at("delay"), problems=sheet.problems)
    if inner.has("until"):
        found: Wait = _until(inner, kinds)
    elif inner.has("on"):
        found = OnDate(on=inner.read("on", _date, date.min), at=inner.read("at", _time, _NOON))
    elif inner.has("at"):
        found = AtTime(
            at=inner.read("at", _time, time()),
            days=inner.number("days", 0, least=0, most=LONGEST.days),
            weekdays=_weekdays(inner, "weekdays", EVERY_DAY),
        )
    else:
        found = inner.read("after", parse_delay, After())
    inner.finish()
    return found


def _until(sheet: Sheet, kinds: Kinds) -> Until:
    fact = sheet.text("until")
    try:
        kind = kinds(fact) if fact else None
    except ConditionError as error:
        sheet.wrong("until", error.message)
    else:
        if kind not in {None, date, datetime}:
            sheet.wrong("until", f"{fact} is neither a date nor an instant")
    offset = sheet.read("offset", _offset, After())
    return Until(fact=fact, days=offset.days, rest=offset.rest)


def _wait_for(sheet: Sheet, condition_of: ConditionOf) -> WaitFor | None:
    value = sheet.take("wait_for")
    if value is None:
        return None
    inner = Sheet(value, place=sheet.at("wait_for"), problems=sheet.problems)
    event = inner.text("event")
    condition = None
    if event in RULES:
        condition = condition_of(inner, "when", kinds_at(event))
    elif event:
        inner.wrong("event", f"there is no event {event!r}; {nearest(event, RULES)}")
    found = WaitFor(
        event=event,
        within=inner.duration("within", timedelta(days=7), least=_SECOND, most=LONGEST),
        of=cast("Literal['entity', 'customer']", inner.choice("of", ("entity", "customer"), "entity")),
        condition=condition or ALWAYS,
        on_timeout=cast(
            "Literal['run', 'skip', 'stop']", inner.choice("on_timeout", ("run", "skip", "stop"), "skip")
        ),
    )
    inner.finish()
    return found


def _branches(
    sheet: Sheet, number: int, names: Sequence[str], kinds: Kinds, condition_of: ConditionOf
) -> list[Branch]:
    found = []
    for position, one in enumerate(sheet.sheets("branches"), 1):
        inner = Sheet(one, place=f"{sheet.at('branch')} {position}", problems=sheet.problems)
        condition = condition_of(inner, "when", kinds) or ALWAYS
        to = inner.take("to")
        inner.finish()
        target: int | str = END
        if to in names:
            target = names.index(to) + 1
        elif isinstance(to, int) and not isinstance(to, bool):
            target = to
        elif to != END:
            inner.wrong("to", f"there is no step {to!r}; {nearest(str(to), [*names, END])}")
        if isinstance(target, int) and not number < target <= len(names):
            inner.wrong("to", f"a branch leads to a later step or to the {END}, found {to!r}")
        found.append(Branch(condition=condition, to=target))
    return found


def _retry(sheet: Sheet) -> RetryPolicy:
    value = sheet.take("retry")
    if value is None:
        return _DEFAULTS
    inner = Sheet(value, place=sheet.at("retry"), problems=sheet.problems)
    a_week = timedelta(days=7)
    first = inner.duration("first", _DEFAULTS.first, least=_SECOND, most=a_week)
    found = RetryPolicy(
        attempts=inner.number("attempts", _DEFAULTS.attempts, least=1, most=100),
        first=first,
        most=inner.duration("most", max(_DEFAULTS.most, first), least=_SECOND, most=a_week),
    )
    inner.finish()
    return found


def _fallback(sheet: Sheet) -> Fallback | None:
    value = sheet.take("fallback")
    if value is None:
        return None
    inner = Sheet(value, place=sheet.at("fallback"), problems=sheet.problems)
    found = Fallback(action=inner.text("action", longest=100), parameters=_table(inner, "with"))
    inner.finish()
    return found


def _table(sheet: Sheet, key: str) -> dict[str, Any]:
    value = sheet.take(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        sheet.wrong(key, f"expected a table, found {value!r}")
        return {}
    return value


def _weekdays(sheet: Sheet, key: str, default: frozenset[int]) -> frozenset[int]:
    found = set()
    for word in sheet.sheets(key):
        if word in _DAYS:
            found.add(_DAYS.index(word))
        else:
            sheet.wrong(key, f"there is no day {word!r}; there are {', '.join(_DAYS)}")
    return frozenset(found) or default


def _date(text: str) -> date:
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError('a date such as "2026-12-24"') from None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        # At the ends of the calendar no time of day can be told in UTC.
        raise ValueError(f"a date between {_FIRST_YEAR} and {_LAST_YEAR}")
    return found


def _time(text: str) -> time:
    if not (found := _TIME.fullmatch(text.strip())):
        raise ValueError('a time of day such as "09:30"')
    return time(int(found[1]), int(found[2]))


def _offset(text: str) -> After:
    stripped = text.strip()
    sign = -1 if stripped.startswith("-") else 1
    after = parse_delay(stripped.lstrip("+-"))
    return After(days=sign * after.days, rest=sign * after.rest)
