"""Carries a request out: authorized, paced, tried again where that is safe, decoded."""

from __future__ import annotations

import logging
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import anyio
import msgspec

from pcd.errors import Malformed, NoAnswer, RateLimited, Rejected, Unauthorized, Unavailable, UpstreamError
from pcd.fetcher import Call, fetch
from pcd.ghl.classify import classify, unknown_outcome
from pcd.ghl.decode import SERVICE, legible
from pcd.ghl.limits import limits_of
from pcd.ghl.versions import version_of
from pcd.retry import SHORTEST_PAUSE, Patience, Tried, next_delay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import aiohttp

    from pcd.clock import Clock
    from pcd.config import GhlConfig
    from pcd.ghl.authenticator import Authenticator
    from pcd.ghl.limiter import Limiter
    from pcd.ghl.request import Request

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = Patience(attempts=5, decodes=2, attempt=timedelta(seconds=30), total=timedelta(minutes=2))
"""What is not done within that is the caller's to put off: it has an outbox, or comes again by itself."""

_LOUD_ATTEMPT = 2
_LOUD_SECONDS = 5.0
_MAX_BYTES = 16 * 2**20
_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(slots=True)
class Tally:
    """What was done since the start. *failures* are attempts by kind of error."""

    requests: int = 0
    writes: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Caller:
    """Carries out requests for one subaccount. Safe to use from any number of tasks at once.

    *limiter* is shared by everything in the process that speaks to the subaccount. *sleep* and *jitter*
    are for tests.
    """

    def __init__(  # noqa: PLR0913 - everything it depends on comes in from outside
        self,
        settings: GhlConfig,
        *,
        session: aiohttp.ClientSession,
        clock: Clock,
        limiter: Limiter,
        authenticator: Authenticator,
        patience: Patience = PATIENCE,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Remember all that; nothing is asked yet."""
        self.limiter, self.tally = limiter, Tally()
        self._settings, self._session, self._clock = settings, session, clock
        self._authenticator, self._patience = authenticator, patience
        self._sleep, self._jitter = sleep, jitter
        self._away_since: float | None = None

    @property
    def is_away(self) -> bool:
        """Whether requests fail at present, as far as the last ones told."""
        return self._away_since is not None

    async def call(self, request: Request, decode: Callable[[bytes], T]) -> T:
        """Return what *decode* makes of the answer to *request*.

        Reads are tried again; a write only while it cannot have arrived: nobody could be reached, or it
        was turned away by the limit or for its token. Otherwise it raises NoAnswer.
        """
        began_at = self._clock.monotonic()
        tried = Tried()
        while True:
            elapsed = self._clock.monotonic() - began_at
            longest = max(0.0, self._patience.total.total_seconds() - elapsed)
            async with self.limiter.slot(low_priority=request.low_priority, longest=longest):
                try:
                    value = _decoded(request, await self._attempt(request), decode)
                except UpstreamError as error:
                    failure = error
                else:
                    self._note_success()
                    return value
            tried = tried.and_failed(failure)
            elapsed = self._clock.monotonic() - began_at
            await self._recover(request, failure, tried=tried, elapsed=elapsed)

    async def _recover(
        self, request: Request, failure: UpstreamError, *, tried: Tried, elapsed: float
    ) -> None:
        """Wait until the next attempt is due, or raise what *failure* means when it is final."""
        error = unknown_outcome(failure) if request.is_write else failure
        self.tally.failures[type(error).__name__] += 1
        seconds = next_delay(
            error, tried=tried, elapsed=elapsed, jitter=self._jitter(), patience=self._patience
        )
        if seconds is None:
            self._note_end(error)
            raise error from (None if error is failure else failure)
        self._note_failure(error, attempt=tried.attempts, seconds=seconds)
        if not isinstance(error, RateLimited):  # the limiter holds that one, and everybody else
            await self._sleep(seconds)

    async def _attempt(self, request: Request) -> bytes:
        """Return the answer; a refused token is replaced once, where there is another."""
        token = await self._authenticator.token()
        try:
            return await self._exchange(request, token)
        except Unauthorized as error:
            if not await self._authenticator.renew(token):
                raise Unauthorized(f"{error}: see {self._authenticator.key}", service=SERVICE) from error
        return await self._exchange(request, await self._authenticator.token())

    async def _exchange(self, request: Request, token: str) -> bytes:
        self.tally.requests += 1
        self.tally.writes += request.is_write
        headers = {"Authorization": f"Bearer {token}", "Version": version_of(request.path)}
        body = None
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            body = _ENCODER.encode(request.body)
        call = Call(
            service=SERVICE,
            method=request.method,
            url=self._settings.api_url.rstrip("/") + request.path,
            what=request.what,
            headers=headers,
            params=request.params,
            body=body,
        )
        response = await fetch(self._session, call, within=self._patience.attempt, max_bytes=_MAX_BYTES)
        self.limiter.note(limits_of(response.headers))
        error = classify(
            response.status, response.headers, response.body, now=self._clock.now(), what=request.what
        )
        if isinstance(error, RateLimited):
            if error.retry_after is None:
                error.retry_after = self.limiter.period
            # Not everybody at the very moment at which it is allowed again.
            self.limiter.pause(max(error.retry_after, SHORTEST_PAUSE) + self._jitter() / 2)
        if error is not None:
            raise error
        return legible(response.body)

    def _note_failure(self, error: UpstreamError, *, attempt: int, seconds: float) -> None:
        # A single failure that the next attempt makes good is no news.
        if self._away_since is None and (attempt >= _LOUD_ATTEMPT or seconds >= _LOUD_SECONDS):
            self._away_since = self._clock.monotonic()
            log.warning("GoHighLevel does not answer as it should, retrying in %.0f s: %s", seconds, error)
        else:
            log.debug("Attempt %d failed, retrying in %.1f s: %s", attempt, seconds, error)

    def _note_end(self, error: UpstreamError) -> None:
        if isinstance(error, Unavailable) and not isinstance(error, NoAnswer):
            self._away_since = self._clock.monotonic() if self._away_since is None else self._away_since
        elif isinstance(error, Rejected):
            self._note_success()

    def _note_success(self) -> None:
        if self._away_since is not None:
            seconds = self._clock.monotonic() - self._away_since
            self._away_since = None
            log.info("GoHighLevel answers again after %.0f s", seconds)


def _decoded(request: Request, body: bytes, decode: Callable[[bytes], T]) -> T:
    try:
        return decode(body)
    except Malformed as error:
        raise Malformed(f"{request.what}: {error}", service=SERVICE) from error
