"""Judge whether a step may be taken now. Pure; a step that cannot be judged is not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, assert_never

from pcd.errors import ConditionError
from pcd.workflows.conditions.condition import facts_of
from pcd.workflows.conditions.evaluate import evaluate, why_not
from pcd.workflows.delays import due_at
from pcd.workflows.facts.resolve import carried
from pcd.workflows.instance import Awaited
from pcd.workflows.outcome import Await, Postpone, Refuse, Skip, Stop
from pcd.workflows.workflow import Until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from pcd.workflows.conditions.condition import Value
    from pcd.workflows.instance import Instance
    from pcd.workflows.outcome import Verdict
    from pcd.workflows.workflow import Step, WaitFor, Workflow


class Situation(NamedTuple):
    """What is known at the moment of judging.

    *facts* are those of `Workflow.facts_before`. *arrivals* are what the events carried that the step
    may have waited for, the earliest first.
    """

    now: datetime
    zone: ZoneInfo
    facts: Mapping[str, Value]
    arrivals: Sequence[Mapping[str, Any]] = ()


def judge(instance: Instance, workflow: Workflow, step: Step, situation: Situation) -> Verdict | None:
    """Return why *step* is not to be performed now, None where it is."""
    reason = stops(workflow, situation.facts)
    if reason is not None:
        return reason
    try:
        return (
            _is_early(instance, step, situation)
            or _awaits(instance, step.wait_for, situation)
            or _is_unwanted(step, situation.facts)
        )
    except ConditionError as error:
        return Refuse(error=f"step {step.number}: {error}")


def stops(workflow: Workflow, facts: Mapping[str, Value]) -> Stop | Refuse | None:
    """Return which stop condition holds, that one cannot be judged, or None where none holds."""
    for number, stop in enumerate(workflow.stops, 1):
        try:
            if evaluate(stop.condition, facts):
                return Stop(reason=stop.reason)
        except ConditionError as error:
            return Refuse(error=f"stop condition {number}: {error}")
    return None


def awaits(instance: Instance, wait: WaitFor) -> Awaited:
    """Return what *instance* waits for at its step, from the instant that the step was first due."""
    known = instance.awaited
    since, until = (known.since, known.until) if known else (instance.due_at, instance.due_at + wait.within)
    return Awaited(event=wait.event, of=wait.of, since=since, until=until)


def _is_early(instance: Instance, step: Step, situation: Situation) -> Postpone | None:
    """Look again at a moment that a fact holds: it may have moved since, or not have been known."""
    if not isinstance(step.delay.wait, Until) or instance.waited_until is not None:
        return None
    moment = due_at(step.delay, situation.now, situation.zone, situation.facts)
    return Postpone(until=moment) if moment > situation.now else None


def _awaits(instance: Instance, wait: WaitFor | None, situation: Situation) -> Verdict | None:
    if wait is None:
        return None
    names = facts_of(wait.condition)
    if any(evaluate(wait.condition, carried(wait.event, each, names)) for each in situation.arrivals):
        return None
    awaited = awaits(instance, wait)
    if situation.now < awaited.until:
        return Await(event=awaited.event, of=awaited.of, since=awaited.since, until=awaited.until)
    match wait.on_timeout:
        case "run":
            return None
        case "skip":
            return Skip(reason=f"no {wait.event} came in time")
        case "stop":
            return Stop(reason=f"no {wait.event} came in time")
        case other:
            assert_never(other)


def _is_unwanted(step: Step, facts: Mapping[str, Value]) -> Skip | None:
    if step.condition is None or evaluate(step.condition, facts):
        return None
    return Skip(reason=why_not(step.condition, facts))
