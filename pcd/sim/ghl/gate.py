"""Who may call a simulated sub-account, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from pcd.sim.gate import Window
from pcd.sim.ghl import refusals
from pcd.sim.ghl.refusals import unauthorized, wrong_location
from pcd.sim.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.clock import Clock
    from pcd.sim.ghl.endpoint import Endpoint
    from pcd.sim.ghl.oauth import Grants
    from pcd.sim.ghl.settings import GhlSimSettings

VERSIONS = frozenset({"2021-04-15", "2021-07-28", "2023-02-21"})
_PIT = "pit-"


class Gate:
    """Checks token, version, scope and location, in this order, and counts calls.

    *tokens* are the private integration tokens that hold, *revoked* scopes are refused.
    """

    def __init__(self, settings: GhlSimSettings, *, clock: Clock, grants: Grants) -> None:
        """Start with the token of *settings*, and nobody has called."""
        self.tokens = {settings.token}
        self.revoked: frozenset[str] = frozenset()
        self.throttled = 0
        self.limit = settings.window_calls
        self.daily_limit = settings.daily_calls
        self._settings = settings
        self._clock = clock
        self._grants = grants
        self._window = Window(clock=clock, seconds=settings.window.total_seconds())
        self._day = clock.now().date()
        self.used_today = 0

    def admit(self, headers: Mapping[str, str], *, endpoint: Endpoint, locations: set[str]) -> None:
        """Let a request pass that names these *locations*; raises `Problem` otherwise."""
        self._check_token(headers.get("Authorization", ""))
        if endpoint.path in self._settings.unsupported_routes:
            raise unauthorized(refusals.UNSUPPORTED)
        self._count()
        version = headers.get("Version", "")
        if version not in VERSIONS:
            raise unauthorized(refusals.BAD_VERSION if version else refusals.NO_VERSION)
        if endpoint.scope not in self._settings.scopes - self.revoked:
            raise unauthorized(refusals.NO_SCOPE)
        if locations - {self._settings.location_id}:
            raise wrong_location()

    def headers(self) -> dict[str, str]:
        """Return the headers that tell how much is left."""
        return {
            "X-RateLimit-Limit-Daily": str(self.daily_limit),
            "X-RateLimit-Daily-Remaining": str(max(self.daily_limit - self._today(), 0)),
            "X-RateLimit-Interval-Milliseconds": str(int(self._settings.window.total_seconds() * 1000)),
            "X-RateLimit-Max": str(self.limit),
            "X-RateLimit-Remaining": str(max(self.limit - self._window.used, 0)),
        }

    def _check_token(self, text: str) -> None:
        scheme, _, token = text.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized(refusals.NO_TOKEN)
        if token not in self.tokens and not self._grants.holds(token):
            raise unauthorized(refusals.INVALID_TOKEN if token.startswith(_PIT) else refusals.INVALID_JWT)

    def _count(self) -> None:
        if self._today() >= self.daily_limit or not self._window.admits(self.limit):
            self.throttled += 1
            seconds = max(1, round(self._settings.window.total_seconds()))
            headers = {"Retry-After": str(seconds)} if self._settings.retry_after else {}
            body = orjson.dumps({"statusCode": 429, "message": "Too Many Requests"})
            raise Problem(429, body, headers=headers)
        self.used_today += 1

    def _today(self) -> int:
        day = self._clock.now().date()
        if day != self._day:
            self._day, self.used_today = day, 0
        return self.used_today
