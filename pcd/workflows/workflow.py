"""The shapes of a definition: what starts a workflow, what ends it early, what it does and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pcd.workflows.conditions.condition import ALWAYS, facts_of
from pcd.workflows.conditions.evaluate import evaluate, why_not
from pcd.workflows.facts.resolve import carried

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from pcd.workflows.conditions.condition import Condition

EVERY_DAY = frozenset(range(7))
"""The days of the week as `datetime.weekday` counts them: Monday is 0."""

END = "end"
"""Where a branch goes that completes the instance."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When the business is open, in its own zone: from *opens* to *closes* on *days*."""

    opens: time
    closes: time
    days: frozenset[int] = frozenset(range(5))


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """A while later: *days* of the calendar at the same time of day in the business's zone, then *rest*."""

    days: int = 0
    rest: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTime:
    """The first time that it is *at* in the business's zone, on one of *weekdays*.

    That is *days* days later at the earliest; with 0 it may be today, if it is not past.
    """

    at: time
    days: int = 0
    weekdays: frozenset[int] = EVERY_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDate:
    """The day *on* of the calendar, when it is *at* in the business's zone; at once when that is past."""

    on: date
    at: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """The instant that *fact* holds, moved by *days* of the calendar and then *rest* (negative: before it).

    The fact may move while the step waits, so it is read again when the step comes due: a moment that lies
    in the future by then is waited for again. A fact without a value is due at once.
    """

    fact: str
    days: int = 0
    rest: timedelta = timedelta()


Wait: TypeAlias = "After | AtTime | OnDate | Until"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """When a step is due, counted from the end of the step before it, or from the start of the instance.

    With *within* a moment outside of these hours moves to the next opening. `pcd.workflows.delays.due_at`
    turns it into an instant.
    """

    wait: Wait = After()
    within: Hours | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Starts an instance for each *event* for which *condition* holds over what the event carries."""

    event: str
    condition: Condition = ALWAYS

    def refusal(self, payload: Mapping[str, Any]) -> str:
        """Return why an event with *payload* starts nothing, "" where it starts an instance.

        Raises ConditionError when that cannot be judged.
        """
        if self.condition == ALWAYS:
            return ""
        facts = carried(self.event, payload, facts_of(self.condition))
        return "" if evaluate(self.condition, facts) else why_not(self.condition, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Ends an instance as soon as *condition* holds before a step; *reason* is what is recorded."""

    condition: Condition
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitFor:
    """Before its action a step waits for an *event*, for *within* at most, counted from when it is due.

    The event is about the instance's own entity, or with *of* ``"customer"`` about anything of the same
    customer's; *condition* is judged over what it carries, as a trigger's. When none comes, *on_timeout*
    says what follows: ``"run"`` the action all the same, ``"skip"`` the step, or ``"stop"`` the instance.
    """

    event: str
    within: timedelta
    of: Literal["entity", "customer"] = "entity"
    condition: Condition = ALWAYS
    on_timeout: Literal["run", "skip", "stop"] = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Where an instance goes on after a step when *condition* holds: the number of a later step, or END.

    The branches of a step are judged in order, after it was done or skipped; when none holds, the next
    step follows.
    """

    condition: Condition
    to: int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a step is tried, *attempts* counting the first, and how long the pauses are.

    Pauses double from *first* up to *most*.
    """

    attempts: int = 5
    first: timedelta = timedelta(seconds=30)
    most: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What a step does instead when its action cannot: another action with its own parameters."""

    action: str
    parameters: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. *number* counts from 1; *parameters* are as written, before the action decodes them.

    *condition* is judged when the step is due: a step for which it does not hold is skipped.
    *on_blocked* says what becomes of a message that may not go now: ``"wait"`` or ``"drop"``.
    """

    number: int
    name: str
    action: str
    parameters: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    delay: Delay = field(default_factory=Delay)
    condition: Condition | None = None
    wait_for: WaitFor | None = None
    branches: tuple[Branch, ...] = ()
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: timedelta = timedelta(seconds=30)
    on_blocked: Literal["wait", "drop"] = "wait"
    fallback: Fallback | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One definition that is understood.

    *version* is a hash of what it means (whether it *is_enabled* and its description aside). *source* says
    where it stands: ``"row NAME"`` of ``automation.workflow_definitions``, whose id is *row_id*,
    ``"built-in FILE"``, or the path of a file. *max_concurrent_per_customer* 0 means any number.
    *document* is the definition in one canonical form of JSON values, whatever it was written in:
    `pcd.workflows.decode.decode` makes the same workflow of it.
    """

    name: str
    version: str
    source: str
    trigger: Trigger
    steps: tuple[Step, ...]
    stops: tuple[Stop, ...] = ()
    description: str = ""
    is_enabled: bool = False
    max_concurrent_per_customer: int = 1
    priority: int = 0
    row_id: UUID | None = None
    document: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, compare=False, repr=False)

    def step(self, number: int) -> Step | None:
        """Return the step of that number, None behind the last one."""
        return self.steps[number - 1] if 1 <= number <= len(self.steps) else None

    def facts_before(self, step: Step) -> frozenset[str]:
        """Return the facts that decide whether *step* runs now: its condition, the stops, its delay."""
        names = [facts_of(stop.condition) for stop in self.stops]
        if step.condition is not None:
            names.append(facts_of(step.condition))
        if isinstance(step.delay.wait, Until):
            names.append(frozenset({step.delay.wait.fact}))
        return frozenset().union(*names)

    def facts_after(self, step: Step) -> frozenset[str]:
        """Return the facts that decide where the instance goes on after *step*."""
        return frozenset().union(*(facts_of(branch.condition) for branch in step.branches))
