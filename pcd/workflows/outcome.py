"""What can come of one try of a step. An outcome is a value: what a step may normally do is no exception."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The step's effect is there.

    *output* is recorded with the step, *context* laid over the instance's context for later steps; both
    are JSON values. *messages* is how many messages to the customer it was, 0 where none was due.
    """

    output: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    context: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    messages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """All is well; the step is to be performed again at *until*, which it then finds as `waited_until`."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """It did not work this time. *after* is how long they asked us to wait, None where the policy decides."""

    error: str
    after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """It will never work as it is: its fallback takes its place, or the instance becomes a dead letter.

    *is_unknown* says that it may have taken effect all the same: then nothing takes its place, and a person
    has to look before it is redriven. *is_dispensable* says that there is nothing to mend: without a fallback
    the step is dropped and the instance goes on.
    """

    error: str
    is_unknown: bool = False
    is_dispensable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """The message may not go now: it waits until *until*, or is dropped, as its step says.

    *until* None means that no waiting helps (the customer opted out): it is dropped.
    """

    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """The step was not performed, and the instance goes on after it; only the engine says so."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The workflow has reached its end before its last step; only the engine says so."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Await:
    """The step waits for an event since *since*, until *until* at most; only the engine says so.

    *event* is its type, *of* says whose: ``"entity"`` or ``"customer"``.
    """

    event: str
    since: datetime
    until: datetime
    of: str = "entity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postpone:
    """The step is not due before *until*, the moment that it follows from; only the engine says so."""

    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Whether the step may be taken cannot be judged, so it must not be; only the engine says so."""

    error: str


Outcome: TypeAlias = Done | Wait | Retry | Fail | Blocked
"""What an action returns."""

Verdict: TypeAlias = Outcome | Skip | Stop | Await | Postpone | Refuse
"""What one claim of an instance came to."""
