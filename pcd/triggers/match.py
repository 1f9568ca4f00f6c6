"""Say which workflows an event starts, and why the others do not. Pure, and cheap enough for detection.

A `Watch` is made once for a set of definitions; an event that no workflow watches costs one look-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pcd.errors import ConditionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pcd.workflows.workflow import Workflow


class Happened(Protocol):
    """What matching has to know of an event; `pcd.events.finder.Event` is one."""

    @property
    def type(self) -> str:
        """Its type."""

    @property
    def suppressed_reason(self) -> str | None:
        """Why it must not be told to anybody, None when it may."""

    @property
    def payload(self) -> Mapping[str, Any]:
        """What it carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoStart:
    """A workflow that watches the event and is not started. *is_doubt*: its condition cannot be judged."""

    workflow: Workflow
    reason: str
    is_doubt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """What follows from an event: which workflows start, the most urgent first, and which do not."""

    starts: tuple[Workflow, ...] = ()
    others: tuple[NoStart, ...] = ()


class Watch:
    """The workflows of a set of definitions by the event that starts them."""

    def __init__(self, workflows: Iterable[Workflow]) -> None:
        """Order them by priority, and then by name."""
        self._by_type: dict[str, list[Workflow]] = {}
        for workflow in sorted(workflows, key=lambda one: (-one.priority, one.name)):
            self._by_type.setdefault(workflow.trigger.event, []).append(workflow)

    @property
    def types(self) -> frozenset[str]:
        """The types of events that a workflow which is switched on watches."""
        return frozenset(
            type_ for type_, watching in self._by_type.items() if any(one.is_enabled for one in watching)
        )

    def watching(self, event_type: str) -> tuple[Workflow, ...]:
        """Return every workflow that watches such events, switched on or off."""
        return tuple(self._by_type.get(event_type, ()))


_NOTHING = Matches()


def match(event: Happened, watch: Watch) -> Matches:
    """Return which workflows *event* starts, and why the others that watch it do not start."""
    watching = watch.watching(event.type)
    if not watching:
        return _NOTHING
    starts, others = [], []
    for workflow in watching:
        found = _refusal(event, workflow)
        if found is None:
            starts.append(workflow)
        else:
            others.append(found)
    return Matches(starts=tuple(starts), others=tuple(others))


def _refusal(event: Happened, workflow: Workflow) -> NoStart | None:
    if not workflow.is_enabled:
        return NoStart(workflow=workflow, reason="it is switched off")
    if event.suppressed_reason:
        return NoStart(workflow=workflow, reason=f"the event is suppressed: {event.suppressed_reason}")
    try:
        reason = workflow.trigger.refusal(event.payload)
    except ConditionError as error:
        reason = f"its condition cannot be judged: {error.message}"
        return NoStart(workflow=workflow, reason=reason, is_doubt=True)
    return NoStart(workflow=workflow, reason=reason) if reason else None
