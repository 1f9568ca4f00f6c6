"""Keeps the access token: one request for it at a time, a new one before the old one ends."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import anyio
import msgspec

from pcd.errors import Forbidden, Malformed, RateLimited, Rejected, Unauthorized, UpstreamError
from pcd.fetcher import Call, fetch
from pcd.servicetitan.classify import classify, problem
from pcd.servicetitan.decode import SERVICE, UNREADABLE
from pcd.servicetitan.vet import token_refusal, token_url, vet

if TYPE_CHECKING:
    import aiohttp

    from pcd.clock import Clock
    from pcd.config import ServiceTitanConfig
    from pcd.fetcher import Response

log = logging.getLogger(__name__)

EARLY = 120.0
"""How many seconds before its end a token is replaced; a quarter of its life where that is less."""

REFUSED_AGAIN = 60.0
"""How many seconds a refusal of the credentials is believed before they are tried again."""

_MAX_STRIKES = 5
_MARGIN = 10.0
_EARLY_AGAIN = 15.0
_THROTTLED = 10.0
_TIMEOUT = timedelta(seconds=30)
_EARLY_TIMEOUT = timedelta(seconds=10)
_DEFAULT_LIFE = 900.0
_MAX_BYTES = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """An access token. *refresh_at* and *expires_at* are on the monotonic clock."""

    value: str = field(repr=False)
    refresh_at: float
    expires_at: float


class _Grant(msgspec.Struct, frozen=True):
    access_token: Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[!-~]+$")]
    expires_in: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = _DEFAULT_LIFE


class Authenticator:
    """Hands out the current access token and asks for new ones by client credentials.

    Whoever needs a token while one is being asked for waits for that one, and shares its failure too.
    Before its end a token is replaced by the first caller that notices, while the others go on with the
    old one; when that fails, so does the first. Refused credentials are not sent again for a minute, and
    a throttled token endpoint is left alone for as long as it says. *requests* counts the token requests.

    Source: "OAuth 2.0", ServiceTitan's developer portal, read 2026-11-23: tokens live 900 s, should be
    cached, and requests for new ones are throttled.
    """

    def __init__(self, settings: ServiceTitanConfig, *, session: aiohttp.ClientSession, clock: Clock) -> None:
        """Start without a token; the first call asks for one."""
        self._settings, self._session, self._clock = settings, session, clock
        self._lock = anyio.Lock()
        self._token: Token | None = None
        self._failure: UpstreamError | None = None
        self._held_until = self._early_again_at = self._struck_at = self._let_in_at = -math.inf
        self._flights = self._strikes = self.requests = 0

    async def token(self) -> Token:
        """Return a token that is good for at least another moment.

        Raises Unauthorized, naming the key to look at, RateLimited or Unavailable; never retries.
        """
        now = self._clock.monotonic()
        current = self._token
        if current is None or now >= current.expires_at:
            return await self._obtain(_TIMEOUT)
        if now >= max(current.refresh_at, self._early_again_at) and not self._lock.locked():
            return await self._replace_early(current)
        return current

    def confirm(self) -> None:
        """Note that a call was let in."""
        self._strikes, self._let_in_at = 0, self._clock.monotonic()

    @property
    def has_let_in_lately(self) -> bool:
        """Whether any call was let in within the last minute: then the credentials are not the fault."""
        return self._clock.monotonic() < self._let_in_at + REFUSED_AGAIN

    def invalidate(self, token: Token) -> bool:
        """Forget *token*, which a call was refused with; tell whether a try with another is worth it.

        After five tokens in a row that never let a call in it is not, for a minute: the fault lies
        elsewhere then, and asking for one token after another would get us throttled.
        """
        if token is not self._token:
            return True
        now = self._clock.monotonic()
        if now >= self._struck_at + REFUSED_AGAIN:
            self._strikes = 0
        if self._strikes >= _MAX_STRIKES:
            return False
        self._token, self._struck_at = None, now
        self._strikes += 1
        return True

    async def _replace_early(self, current: Token) -> Token:
        try:
            return await self._obtain(_EARLY_TIMEOUT)
        except UpstreamError as error:
            self._early_again_at = self._clock.monotonic() + _EARLY_AGAIN
            log.debug("No new token yet, the present one is still good: %s", error)
            return current

    async def _obtain(self, within: timedelta) -> Token:
        flight = self._flights
        async with self._lock:
            if flight == self._flights or (self._token is None and self._failure is None):
                await self._ask(within)
            if self._failure is not None:
                raise self._present_failure(self._failure)
            assert self._token is not None
            return self._token

    async def _ask(self, within: timedelta) -> None:
        if self._failure is not None and self._clock.monotonic() < self._held_until:
            return
        try:
            self._token, self._failure = await self._request(within), None
        except UpstreamError as error:
            self._failure = error
            self._held_until = self._clock.monotonic() + _hold_off(error)
        self._flights += 1

    def _present_failure(self, failure: UpstreamError) -> UpstreamError:
        if isinstance(failure, RateLimited):
            seconds = max(0.0, self._held_until - self._clock.monotonic())
            return RateLimited(str(failure), service=SERVICE, retry_after=seconds)
        return failure.with_traceback(None)

    async def _request(self, within: timedelta) -> Token:
        settings = self._settings
        if faults := vet(settings):
            raise Unauthorized("; ".join(faults), service=SERVICE)
        self.requests += 1
        started_at = self._clock.monotonic()
        call = Call(
            service=SERVICE,
            method="POST",
            url=token_url(settings.auth_url),
            what="token request",
            headers={},
            form={
                "grant_type": "client_credentials",
                "client_id": settings.client_id,
                "client_secret": settings.client_secret.reveal(),
            },
        )
        grant = self._read(await fetch(self._session, call, within=within, max_bytes=_MAX_BYTES))
        return Token(
            grant.access_token,
            refresh_at=started_at + grant.expires_in - min(EARLY, grant.expires_in / 4),
            expires_at=started_at + grant.expires_in - min(_MARGIN, grant.expires_in / 10),
        )

    def _read(self, response: Response) -> _Grant:
        now = self._clock.now()
        match classify(response.status, response.headers, response.body, now=now, what="token request"):
            case None:
                pass
            case Unauthorized() | Forbidden() | Rejected() as error:
                said = problem(response.body, status=response.status).title
                text = token_refusal(self._settings, status=response.status, said=said)
                raise Unauthorized(text, service=SERVICE, trace_id=error.trace_id)
            case error:
                raise error
        try:
            return msgspec.json.decode(response.body, type=_Grant)
        except UNREADABLE as error:
            raise Malformed("The token endpoint answered without a token", service=SERVICE) from error


def _hold_off(error: UpstreamError) -> float:
    match error:
        case Unauthorized():
            return REFUSED_AGAIN
        case RateLimited():
            return _THROTTLED if error.retry_after is None else error.retry_after
        case _:
            return 0.0
