"""Every error that pcd raises on purpose.

    PcdError
    ├─ ConfigError                    refuse to start; names the key and what was expected
    ├─ DefinitionError(problems)      a workflow that is not understood: refuse it, keep the others
    ├─ ConditionError(column)         a condition that is not one, or that cannot be judged: never false
    ├─ UpstreamError(service)         somebody else's API
    │   ├─ Unauthorized               credentials refused: refresh once, then degrade the service
    │   ├─ RateLimited(retry_after)   wait exactly that
    │   ├─ Unavailable                timeout, network, 5xx, maintenance: retry with backoff
    │   │   ├─ Unreachable            nothing was sent
    │   │   └─ NoAnswer               a write that may have been carried out: look before trying again
    │   ├─ Forbidden(scope)           a right is missing: permanent until a person grants it
    │   ├─ Rejected(status, body)     any other 4xx: never retried
    │   │   ├─ Duplicate(existing_id) what should be made exists already: adopt it
    │   │   ├─ WrongPlace(cause)      scope, location, version or route: nothing will work until it is mended
    │   │   └─ OptedOut               the recipient wants no messages: remember it
    │   └─ Malformed                  an answer that is not what the contract says
    │       └─ Clamped(page_size)     pages smaller than asked for: start over with that size
    ├─ StoreError                     PostgreSQL cannot now (lost connection, deadlock, disk full): retry
    │   ├─ StoreUnreachable           the server does not answer at all
    │   ├─ StoreUnusable              a right or a table is missing, the disk is full: a person has to act
    │   └─ DataRejected               PostgreSQL refuses the value itself: never retried, quarantined
    ├─ LeaseLost                      somebody else holds the lease: stop writing at once
    └─ ControlError(code)             an operator's command cannot be carried out; not our failure
        └─ DaemonUnreachable          no daemon answers on the control socket

The text of an error is for people: what happened, which one, what to do next. It never
carries a secret or a customer's data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class PcdError(Exception):
    """The base of every error that pcd raises on purpose."""


class ConfigError(PcdError):
    """The configuration is unusable; the text names the key, what was found and what was expected."""


class DefinitionError(PcdError):
    """A workflow is not understood. *source* is the file or row; *problems* are all that is wrong with it.

    *name* is the workflow's, empty where not even that can be said.
    Each problem names its place, as in ``"steps[2].action: there is no action 'send_sns'; did you mean
    'send_sms'?"``.
    """

    def __init__(self, source: str, problems: Sequence[str], *, name: str = "") -> None:
        """Remember what is wrong with which definition."""
        super().__init__(f"{source}: {'; '.join(problems)}")
        self.source = source
        self.name = name
        self.problems = tuple(problems)


class ConditionError(PcdError):
    """A text is no condition, or a condition cannot be judged; *column* counts from 1."""

    def __init__(self, message: str, *, column: int = 1) -> None:
        """Remember where in the text."""
        super().__init__(f"column {column}: {message}")
        self.message = message
        self.column = column


class UpstreamError(PcdError):
    """A call to somebody else's API failed.

    *service* is who (``"ServiceTitan"``), *trace_id* is their id of the request, or ``""``.
    """

    def __init__(self, message: str, *, service: str, trace_id: str = "") -> None:
        """Remember who failed and under which request id."""
        super().__init__(f"{message} (trace {trace_id})" if trace_id else message)
        self.service = service
        self.trace_id = trace_id


class Unauthorized(UpstreamError):
    """The credentials were refused; the text names the key to look at."""


class Forbidden(UpstreamError):
    """A right is missing for this one call; the credentials as such are good. *scope* names the right."""

    def __init__(self, message: str, *, service: str, trace_id: str = "", scope: str = "") -> None:
        """Remember which right is missing; "" when that is not known."""
        super().__init__(message, service=service, trace_id=trace_id)
        self.scope = scope


class RateLimited(UpstreamError):
    """Too many requests. *retry_after* is in seconds; None when they did not say."""

    def __init__(
        self, message: str, *, service: str, trace_id: str = "", retry_after: float | None = None
    ) -> None:
        """Remember how long they asked us to wait."""
        super().__init__(message, service=service, trace_id=trace_id)
        self.retry_after = retry_after


class Unavailable(UpstreamError):
    """No usable answer: a timeout, a broken connection, a 5xx, maintenance. Worth another try."""


class Unreachable(Unavailable):
    """Nobody could be reached; the request was not sent."""


class NoAnswer(Unavailable):
    """A write was sent and its answer never came, or told nothing: it may have been carried out.

    It must not be sent again before somebody has looked whether it was.
    """


class Rejected(UpstreamError):
    """The request itself was refused with *status* (4xx). *body* holds its first 500 characters."""

    def __init__(
        self, message: str, *, service: str, trace_id: str = "", status: int = 400, body: str = ""
    ) -> None:
        """Remember the status and the start of the body."""
        super().__init__(message, service=service, trace_id=trace_id)
        self.status = status
        self.body = body[:500]


class Duplicate(Rejected):
    """What should be made exists already, under *existing_id* ("" when they did not say which).

    *matching_field* says by what: ``"email"``, ``"phone"`` or ``"opportunity"``.
    """

    def __init__(
        self,
        message: str,
        *,
        service: str,
        existing_id: str,
        matching_field: str,
        trace_id: str = "",
        status: int = 400,
    ) -> None:
        """Remember what exists; the body is left out, for it names a customer."""
        super().__init__(message, service=service, trace_id=trace_id, status=status)
        self.existing_id = existing_id
        self.matching_field = matching_field


class WrongPlace(Rejected):
    """The credentials are good, but not for this: *cause* is "scope", "location", "version" or "route".

    No other call of the kind will fare better until a person acts.
    """

    def __init__(
        self,
        message: str,
        *,
        service: str,
        cause: str,
        trace_id: str = "",
        status: int = 403,
        body: str = "",
    ) -> None:
        """Remember what is wrong with the place."""
        super().__init__(message, service=service, trace_id=trace_id, status=status, body=body)
        self.cause = cause


class OptedOut(Rejected):
    """The provider refused a message because the recipient wants none from us."""


class Malformed(UpstreamError):
    """The answer is not what the contract says (not JSON, no data, another page than asked for)."""


class Clamped(Malformed):
    """The server made the pages smaller than asked for. Start over, asking for *page_size*.

    Going on would be wrong: page 2 of one size does not begin where page 1 of another one ends.
    """

    def __init__(self, message: str, *, service: str, page_size: int) -> None:
        """Remember the size that the server allows."""
        super().__init__(message, service=service)
        self.page_size = page_size


class StoreError(PcdError):
    """PostgreSQL could not do it now: a lost connection, a deadlock, a full disk. Worth another try."""


class StoreUnreachable(StoreError):
    """The PostgreSQL server does not answer."""


class StoreUnusable(StoreError):
    """PostgreSQL answers, but cannot do it until a person acts; the text says what is missing or full."""


class DataRejected(StoreError):
    """PostgreSQL refuses the value itself; the same statement will be refused again."""


class LeaseLost(PcdError):
    """Another process holds the lease now; whatever was under way must stop writing."""


class ControlError(PcdError):
    """An operator's command cannot be carried out. *code* is for programs, the text for people."""

    def __init__(self, message: str, *, code: str = "refused") -> None:
        """Remember the code for programs."""
        super().__init__(message)
        self.code = code


class DaemonUnreachable(ControlError):
    """No daemon answers on the control socket."""

    def __init__(self, message: str) -> None:
        """Say which socket."""
        super().__init__(message, code="unreachable")
