"""The one way to ask ServiceTitan something: authorized, paced, tried again, decoded."""

from __future__ import annotations

import logging
import random
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import anyio

from pcd.errors import RateLimited, Unauthorized, Unavailable, UpstreamError
from pcd.fetcher import Call, fetch, open_session
from pcd.retry import Patience, Tried, delay, next_delay
from pcd.servicetitan.authenticator import Authenticator
from pcd.servicetitan.classify import classify, trace_id
from pcd.servicetitan.decode import SERVICE
from pcd.servicetitan.limiter import Limiter
from pcd.servicetitan.vet import call_refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    import aiohttp

    from pcd.clock import Clock
    from pcd.config import ServiceTitanConfig
    from pcd.servicetitan.authenticator import Token

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOUD_ATTEMPT = 2
_LOUD_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer. *requested_at* is when the attempt that brought it began: its state is no older.

    *trace_id* is "" where upstream gave none; *attempts* counts from 1.
    """

    body: bytes = field(repr=False)
    requested_at: datetime
    trace_id: str = ""
    attempts: int = 1


@dataclass(slots=True)
class Tally:
    """What the client did since it was made. *failures* are attempts by kind of error."""

    requests: int = 0
    failures: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    path: str
    params: Mapping[str, str]
    scope: str
    patience: Patience

    @property
    def what(self) -> str:
        return self.path.replace("/tenant/{tenant}", "")


class ServiceTitan:
    """ServiceTitan's API for one tenant. Safe to use from any number of tasks at once.

    *patience* bounds the attempts of a request that brings none of its own. *limiter* is shared with
    every other client of this tenant in the process. *sleep* and *jitter* are for tests.
    """

    def __init__(  # noqa: PLR0913 - everything a client depends on comes in from outside
        self,
        settings: ServiceTitanConfig,
        *,
        session: aiohttp.ClientSession,
        clock: Clock,
        limiter: Limiter,
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Remember all that; nothing is asked yet."""
        self.settings, self.limiter, self.tally = settings, limiter, Tally()
        self.authenticator = Authenticator(settings, session=session, clock=clock)
        self._session, self._clock, self._sleep, self._jitter = session, clock, sleep, jitter
        self._patience = patience or Patience()
        self._away_since: float | None = None

    @property
    def is_away(self) -> bool:
        """Whether requests fail at present, as far as the last ones told."""
        return self._away_since is not None

    async def get(
        self, path: str, params: Mapping[str, str], *, scope: str = "", patience: Patience | None = None
    ) -> Answer:
        """Return the answer to a GET of *path*, in which ``{tenant}`` stands for the tenant's id.

        *scope* is the right that it needs, for the error's text. Raises what `get_page` raises.
        """
        _, answer = await self.get_page(path, params, bytes, scope=scope, patience=patience)
        return answer

    async def get_page(
        self,
        path: str,
        params: Mapping[str, str],
        decode: Callable[[bytes], T],
        *,
        scope: str = "",
        patience: Patience | None = None,
    ) -> tuple[T, Answer]:
        """Return what *decode* makes of the answer, and the answer.

        A body that *decode* refuses with Malformed was cut on its way, perhaps, and is fetched again.
        Raises, when *patience* is at its end or could not help, Unauthorized (naming the key),
        Forbidden, RateLimited, Unavailable, Rejected or Malformed.
        """
        question = _Question(path=path, params=params, scope=scope, patience=patience or self._patience)
        began_at = self._clock.monotonic()
        tried = Tried()
        while True:
            try:
                answer = await self._ask(question)
                value = decode(answer.body)
            except UpstreamError as error:
                tried = tried.and_failed(error)
                elapsed = self._clock.monotonic() - began_at
                await self._recover(error, tried=tried, elapsed=elapsed, patience=question.patience)
            else:
                self._note_success()
                return value, replace(answer, attempts=tried.attempts + 1)

    async def _recover(
        self, error: UpstreamError, *, tried: Tried, elapsed: float, patience: Patience
    ) -> None:
        """Wait until the next attempt is due, or raise *error* when it is final."""
        self.tally.failures[type(error).__name__] += 1
        jitter = self._jitter()
        if isinstance(error, RateLimited):
            self.limiter.pause(delay(tried.attempts, error, jitter))  # holds everyone, this request included
        seconds = next_delay(error, tried=tried, elapsed=elapsed, jitter=jitter, patience=patience)
        if seconds is None:
            raise _final(error, attempts=tried.attempts, elapsed=elapsed)
        self._note_failure(error, attempt=tried.attempts, seconds=seconds)
        if not isinstance(error, RateLimited):
            await self._sleep(seconds)

    async def _ask(self, question: _Question, *, may_replace: bool = True) -> Answer:
        """Call when it is our turn; with a new token once more when the current one is refused.

        The token is taken after the wait, in which it may have come to its end.
        """
        async with self.limiter.slot(longest=question.patience.total.total_seconds()):
            token = await self.authenticator.token()
            try:
                answer = await self._exchange(question, token)
            except Unauthorized as error:
                is_worth_it = self.authenticator.invalidate(token)
                if not (may_replace and is_worth_it):
                    raise self._refused(error) from error
            else:
                self.authenticator.confirm()
                return answer
        return await self._ask(question, may_replace=False)

    async def _exchange(self, question: _Question, token: Token) -> Answer:
        requested_at = self._clock.now()
        self.tally.requests += 1
        call = Call(
            service=SERVICE,
            url=self.settings.api_url.rstrip("/")
            + question.path.replace("{tenant}", self.settings.tenant_id),
            what=question.what,
            headers={
                "Authorization": f"Bearer {token.value}",
                "ST-App-Key": self.settings.app_key.reveal(),
            },
            params=question.params,
        )
        response = await fetch(self._session, call, within=question.patience.attempt)
        error = classify(
            response.status,
            response.headers,
            response.body,
            now=self._clock.now(),
            what=question.what,
            scope=question.scope,
        )
        if error is not None:
            raise error
        return Answer(body=response.body, requested_at=requested_at, trace_id=trace_id(response.headers))

    def _refused(self, error: Unauthorized) -> UpstreamError:
        refused: UpstreamError
        if self.authenticator.has_let_in_lately:
            refused = Unavailable(f"{error}, although it lets others in", service=SERVICE)
        else:
            refused = Unauthorized(call_refusal(self.settings, said=str(error)), service=SERVICE)
        refused.trace_id = error.trace_id
        return refused

    def _note_failure(self, error: UpstreamError, *, attempt: int, seconds: float) -> None:
        # A single failure that the next attempt makes good is no news.
        if self._away_since is None and (attempt >= _LOUD_ATTEMPT or seconds >= _LOUD_SECONDS):
            self._away_since = self._clock.monotonic()
            log.warning("ServiceTitan does not answer as it should, retrying in %.0f s: %s", seconds, error)
        else:
            log.debug("Attempt %d failed, retrying in %.1f s: %s", attempt, seconds, error)

    def _note_success(self) -> None:
        if self._away_since is not None:
            seconds = self._clock.monotonic() - self._away_since
            self._away_since = None
            log.info("ServiceTitan answers again after %.0f s", seconds)


@asynccontextmanager
async def connect(
    settings: ServiceTitanConfig, *, clock: Clock, shared: Callable[[], Awaitable[float]] | None = None
) -> AsyncIterator[ServiceTitan]:
    """Yield a client with a session and a limiter of its own; nothing is asked yet.

    *shared* is the budget that all processes have together, as `Limiter` takes it.
    """
    async with open_session() as session:
        limiter = Limiter(per_second=settings.requests_per_second, clock=clock, shared=shared)
        yield ServiceTitan(settings, session=session, clock=clock, limiter=limiter)


def _final(error: UpstreamError, *, attempts: int, elapsed: float) -> UpstreamError:
    if attempts == 1 or not isinstance(error, Unavailable):
        return error
    final = Unavailable(f"{error}; gave up after {attempts} attempts in {elapsed:.0f} s", service=SERVICE)
    final.trace_id = error.trace_id
    final.__cause__ = error
    return final
