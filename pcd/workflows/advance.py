"""Say what an instance becomes when a step has come to something. Pure: time and chance are arguments."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, assert_never

from pcd.errors import ConditionError
from pcd.workflows.conditions.evaluate import evaluate
from pcd.workflows.delays import due_at
from pcd.workflows.instance import Awaited, Status, StepStatus, Transition
from pcd.workflows.outcome import (
    Await,
    Blocked,
    Done,
    Fail,
    Postpone,
    Refuse,
    Retry,
    Skip,
    Stop,
    Wait,
)
from pcd.workflows.workflow import Until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from pcd.workflows.conditions.condition import Value
    from pcd.workflows.instance import Instance
    from pcd.workflows.outcome import Verdict
    from pcd.workflows.workflow import RetryPolicy, Step, Workflow

SURVIVED = 3
"""How often a step may be begun at least: a process may die for reasons that are not the step's."""

# An event that is being recorded while the wait begins is found by a second look.
_LOOK_AGAIN = timedelta(seconds=3)
_AT_LEAST = timedelta(seconds=1)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When and where it is judged: *jitter* is a number in [0, 1), *facts* are those the branches ask for."""

    now: datetime
    zone: ZoneInfo
    jitter: float = 0.0
    facts: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)


def advance(  # noqa: C901, PLR0911, PLR0912 - one case each for what a step can come to
    instance: Instance, workflow: Workflow, verdict: Verdict, moment: Moment
) -> Transition:
    """Return what *instance* becomes, whose step has come to *verdict*.

    A step that was done or skipped leads on; one that could not yet be taken stays, and remembers its
    failures; one that can never be taken gives way to its fallback, or makes a dead letter.
    """
    step = workflow.step(instance.step)
    if step is None:
        return _ended(instance, Status.COMPLETED)
    match verdict:
        case Done(output=output, context=context, messages=messages):
            onwards = _onwards(instance, workflow, step, moment)
            return replace(onwards, output=output, context=context, messages=messages)
        case Skip(reason=reason):
            onwards = _onwards(instance, workflow, step, moment)
            return replace(onwards, record=StepStatus.SKIPPED, error=reason)
        case Blocked(reason=reason, until=until):
            if until is None or step.on_blocked == "drop":
                onwards = _onwards(instance, workflow, step, moment)
                return replace(onwards, record=StepStatus.DROPPED, error=reason)
            stay = _stay(instance, step, max(until, moment.now + _AT_LEAST), reason)
            return replace(stay, record=StepStatus.BLOCKED)
        case Wait(until=until, reason=reason):
            stay = _stay(instance, step, max(until, moment.now + _AT_LEAST), reason)
            return replace(stay, record=StepStatus.WAITING, waited_until=until)
        case Postpone(until=until):
            return _stay(instance, step, until, "")
        case Await():
            return _await(instance, step, verdict, moment.now)
        case Retry(error=error, after=after):
            if instance.starts >= step.retry.attempts:
                return _give_up(instance, step, f"{error} (tried {instance.starts} times)", moment)
            due = moment.now + pause(step.retry, instance.starts, after=after, jitter=moment.jitter)
            stay = _stay(instance, step, due, error)
            return replace(stay, record=StepStatus.RETRIED, error=error, starts=instance.starts)
        case Fail(error=error, is_unknown=True):
            return _dead(instance, step, error)
        case Fail(error=error, is_dispensable=True) if step.fallback is None or instance.is_fallback:
            onwards = _onwards(instance, workflow, step, moment)
            return replace(onwards, record=StepStatus.DROPPED, error=error)
        case Fail(error=error):
            return _give_up(instance, step, error, moment)
        case Refuse(error=error):
            return _dead(instance, step, error)
        case Stop(reason=reason):
            return replace(_ended(instance, Status.STOPPED, reason=reason), record=StepStatus.STOPPED)
        case _:
            assert_never(verdict)


def pause(policy: RetryPolicy, starts: int, *, after: timedelta | None, jitter: float) -> timedelta:
    """Return how long to wait after the try number *starts*: doubling, a random part of a quarter added.

    What they asked for is waited at least.
    """
    doubled = min(policy.first * (1 << min(starts - 1, 30)), policy.most)
    return max(doubled, after or timedelta()) * (1 + jitter / 4)


def held(instance: Instance, *, reason: str) -> Transition:
    """Return the transition of an instance that stands still from now on, as if it had not been claimed."""
    return Transition(
        status=Status.PAUSED,
        step=instance.step,
        due_at=instance.due_at,
        starts=max(instance.starts - 1, 0),
        reason=reason,
        is_fallback=instance.is_fallback,
        awaited=instance.awaited,
        waited_until=instance.waited_until,
    )


def first_due(workflow: Workflow, *, started_at: datetime, zone: ZoneInfo) -> datetime:
    """Return when the first step of an instance is due that is started now."""
    return _due(workflow.steps[0], started_at, zone)


def allowed(step: Step) -> int:
    """Return how often *step* may be begun before its instance becomes a dead letter."""
    return max(step.retry.attempts, SURVIVED)


def _onwards(instance: Instance, workflow: Workflow, step: Step, moment: Moment) -> Transition:
    """Lead on to the step that follows the one that was done, or to the end."""
    try:
        target = _target(step, moment.facts)
    except ConditionError as error:
        # It is done: a redrive must not do it again.
        failed = _dead(instance, step, f"step {step.number} is done, but where to go on is unclear: {error}")
        return replace(
            failed,
            record=StepStatus.COMPLETED,
            step=step.number + 1,
            error="",
            is_fallback=False,
            awaited=None,
        )
    following = workflow.step(target) if isinstance(target, int) else None
    if following is None:
        number = target if isinstance(target, int) else len(workflow.steps) + 1
        return replace(_ended(instance, Status.COMPLETED), step=number, record=StepStatus.COMPLETED)
    return Transition(
        status=Status.ACTIVE,
        record=StepStatus.COMPLETED,
        step=following.number,
        due_at=_due(following, moment.now, moment.zone),
        starts_allowed=allowed(following),
    )


def _target(step: Step, facts: Mapping[str, Value]) -> int | str:
    for branch in step.branches:
        if evaluate(branch.condition, facts):
            return branch.to
    return step.number + 1


def _due(step: Step, since: datetime, zone: ZoneInfo) -> datetime:
    # A moment that a fact holds is looked up when the step is judged.
    return since if isinstance(step.delay.wait, Until) else due_at(step.delay, since, zone)


def _stay(instance: Instance, step: Step, due: datetime, reason: str) -> Transition:
    """Take the same step again at *due*; this start of it is forgotten."""
    return Transition(
        status=Status.ACTIVE,
        step=step.number,
        due_at=due,
        starts=max(instance.starts - 1, 0),
        starts_allowed=allowed(step),
        reason=reason,
        is_fallback=instance.is_fallback,
        awaited=instance.awaited,
        waited_until=instance.waited_until,
    )


def _await(instance: Instance, step: Step, verdict: Await, now: datetime) -> Transition:
    is_first = instance.awaited is None
    due = min(verdict.until, now + _LOOK_AGAIN) if is_first else verdict.until
    awaited = Awaited(event=verdict.event, of=verdict.of, since=verdict.since, until=verdict.until)
    stay = _stay(instance, step, due, f"waits for {verdict.event}")
    return replace(stay, awaited=awaited, record=StepStatus.WAITING if is_first else None)


def _give_up(instance: Instance, step: Step, error: str, moment: Moment) -> Transition:
    """Let the step's fallback take its place, once; without one the instance is a dead letter."""
    if step.fallback is None or instance.is_fallback:
        return _dead(instance, step, error)
    stay = _stay(instance, step, moment.now, error)
    return replace(stay, record=StepStatus.FAILED, error=error, starts=0, is_fallback=True, waited_until=None)


def _dead(instance: Instance, step: Step, error: str) -> Transition:
    failed = _ended(instance, Status.FAILED, reason=f"step {step.number}: {error}")
    # A redrive takes up where it was.
    return replace(
        failed,
        record=StepStatus.FAILED,
        error=error,
        is_fallback=instance.is_fallback,
        awaited=instance.awaited,
    )


def _ended(instance: Instance, status: Status, *, reason: str = "") -> Transition:
    return Transition(status=status, step=instance.step, reason=reason)
