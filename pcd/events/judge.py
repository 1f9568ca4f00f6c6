"""Judge one row under one rule. Pure: what it was, what it is, what was to come of it; then what follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never

from pcd.events.event import Becomes, Created, Due, Fact, FallsDue, Moves, Parked
from pcd.events.rules.states import day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.changes.change import Change, State
    from pcd.events.event import Doubt, EventRule, Surroundings


_NOTHING: Mapping[str, Any] = MappingProxyType({})
BASELINE = "baseline"
"""Why a fact is suppressed that happened before its resource was watched."""
GONE = "the row is gone"
"""Why a row is not judged that was parked when somebody deleted it."""


class Ruling(NamedTuple):
    """What one change of one row comes to under one rule."""

    facts: tuple[Fact, ...] = ()
    parked: Parked | None = None
    due: Due | None = None


class Step(NamedTuple):
    """One row's way from the state that was judged last to the present one, None where there was or is none.

    *moment* is when it happened, *seen_at* when the row was written. A row that *is_old* arrives although it
    existed before the *baseline* of its resource: how it stands is history.
    """

    resource: str
    st_id: int
    change_id: int | None
    before: State | None
    after: State | None
    moment: datetime
    seen_at: datetime
    baseline: datetime
    is_old: bool


def step_of(change: Change, *, baseline: datetime) -> Step:
    """Return the way that *change* went."""
    return Step(
        resource=change.resource,
        st_id=change.st_id,
        change_id=change.id,
        before=change.before,
        after=change.after,
        moment=moment(change),
        seen_at=change.changed_at,
        baseline=baseline,
        is_old=change.before is None and is_old(change.after, baseline),
    )


def judge(
    rule: EventRule, step: Step, *, parked: Parked | None, due: Due | None, around: Surroundings
) -> Ruling:
    """Return what *step* means under *rule*, and what is to be remembered of its row from now on.

    *parked* and *due* are what was remembered. A due moment that lies before the step is told first:
    whether somebody was there to see it pass makes no difference.
    """
    facts: tuple[Fact, ...] = ()
    if due is not None and due.due_at <= step.moment:
        facts, due = (fall_due(rule, due, around),), None
    after = step.after
    if after is None:
        # Should it come back, it is judged against what it was when it could be judged last.
        return Ruling(facts, parked and parked._replace(reason=GONE, state=None, waits_for=None))
    if parked is not None:
        was = parked.before
        step = step._replace(before=was, is_old=was is None and is_old(after, step.baseline))
    for check in rule.doubts:
        if doubt := check(after, around):
            return Ruling(facts, _park(rule, step, after, doubt))
    when = rule.when
    if not isinstance(when, FallsDue):
        if not _happens(when, step.before, after, around):
            return Ruling(facts)
        return Ruling((*facts, _fact(rule, when, step, after, around)))
    to_come = arm(rule, when, step, after, around)
    if to_come is not None and due is not None and to_come.identity == due.identity:
        to_come = replace(to_come, due_at=due.due_at)
    if to_come is not None and to_come.due_at <= step.moment:
        return Ruling((*facts, fall_due(rule, to_come, around)))
    return Ruling(facts, None, to_come)


def arm(rule: EventRule, when: FallsDue, step: Step, after: State, around: Surroundings) -> Due | None:
    """Return what is to come of a row that stands as *after*, None when nothing is.

    A row that begins to stand after its moment is due as soon as it does, which is news if that was
    noticed after the baseline. One that stood before is due at its moment, if that is after the baseline.
    """
    on = day(after, when.column)
    if on is None or not when.stands(after):
        return None
    before = step.before
    due_at = news_at = when.moment(on, around.zone)
    begins = before is None or day(before, when.column) != on or not when.stands(before)
    if begins and not step.is_old:
        if when.ends is not None and step.moment >= when.ends(on, around.zone):
            return None
        due_at, news_at = max(due_at, step.moment), max(due_at, step.seen_at)
    if news_at <= step.baseline:
        return None
    return Due(
        type=rule.type,
        st_id=step.st_id,
        due_at=due_at,
        identity=on.isoformat(),
        state=after,
        change_id=step.change_id,
    )


def expect(
    rule: EventRule, st_id: int, state: State, *, around: Surroundings, baseline: datetime
) -> Due | None:
    """Return what is to come of a row that stood as it is before anybody looked; None when nothing is."""
    when = rule.when
    if not isinstance(when, FallsDue) or any(check(state, around) for check in rule.doubts):
        return None
    step = Step(
        resource=rule.resource,
        st_id=st_id,
        change_id=None,
        before=state,
        after=state,
        moment=baseline,
        seen_at=baseline,
        baseline=baseline,
        is_old=False,
    )
    return arm(rule, when, step, state, around)


def fall_due(rule: EventRule, due: Due, around: Surroundings) -> Fact:
    """Return the fact that *due* was waiting for."""
    return Fact(
        rule=rule,
        st_id=due.st_id,
        change_id=due.change_id,
        occurred_at=due.due_at,
        state=due.state,
        computed=rule.compute(None, due.state, around, due.due_at) if rule.compute else _NOTHING,
        identity=due.identity,
    )


def moment(change: Change) -> datetime:
    """Return when it happened: upstream's instant if the change brought a new one, else when it was seen."""
    modified = instant(change.after, "st_modified_on")
    is_new = modified != instant(change.before, "st_modified_on")
    return min(modified, change.changed_at) if modified and is_new else change.changed_at


def instant(state: State | None, column: str) -> datetime | None:
    """Return an instant of a row, None where it has none."""
    value = (state or {}).get(column)
    if not isinstance(value, str):
        return None
    found = datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def is_old(state: State | None, baseline: datetime) -> bool:
    """Whether upstream created the row before *baseline*; a row that does not say when is not."""
    created = instant(state, "st_created_on")
    return created is not None and created < baseline


def _park(rule: EventRule, step: Step, after: State, doubt: Doubt) -> Parked:
    return Parked(
        type=rule.type,
        resource=step.resource,
        st_id=step.st_id,
        reason=doubt.reason,
        before=step.before,
        state=after,
        change_id=step.change_id or 0,
        changed_at=step.seen_at,
        waits_for=doubt.waits_for,
    )


def _happens(
    when: Created | Becomes | Moves, before: State | None, after: State, around: Surroundings
) -> bool:
    match when:
        case Created():
            return before is None
        case Becomes(test=test):
            return test(after, around) and (before is None or not test(before, around))
        case Moves(test=compare):
            return before is not None and compare(before, after)
        case _:
            assert_never(when)


def _fact(
    rule: EventRule, when: Created | Becomes | Moves, step: Step, after: State, around: Surroundings
) -> Fact:
    at, is_history = step.moment, step.is_old
    if step.before is None:
        since = "st_created_on" if isinstance(when, Created) else when.at if isinstance(when, Becomes) else ""
        if (told := instant(after, since)) is not None:
            at, is_history = min(told, step.seen_at), step.is_old and told < step.baseline
    return Fact(
        rule=rule,
        st_id=step.st_id,
        change_id=step.change_id,
        occurred_at=at,
        state=after,
        computed=rule.compute(step.before, after, around, at) if rule.compute else _NOTHING,
        first=rule.once or step.before is None,
        suppressed=BASELINE if is_history else "",
    )
