"""Who may call a simulated ServiceTitan, and how often."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pcd.sim.problem import Problem, api_error, gateway_error, oauth_error, throttled
from pcd.sim.tokens import Issuer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.clock import Clock
    from pcd.sim.settings import SimSettings


class Window:
    """Lets *count* calls through in any *seconds*."""

    def __init__(self, *, clock: Clock, seconds: float) -> None:
        """Start empty."""
        self._clock = clock
        self._seconds = seconds
        self._calls: deque[float] = deque()

    def admits(self, count: int) -> bool:
        """Count a call and tell whether it is within the limit; one beyond it is not counted."""
        if self.used >= count:
            return False
        self._calls.append(self._clock.monotonic())
        return True

    @property
    def used(self) -> int:
        """How many calls the window holds now."""
        now = self._clock.monotonic()
        while self._calls and self._calls[0] <= now - self._seconds:
            self._calls.popleft()
        return len(self._calls)


class Gate:
    """Checks credentials, tokens, scopes and rate limits."""

    def __init__(self, *, clock: Clock) -> None:
        """Start with no token issued and no scope revoked."""
        self.tokens = Issuer(clock=clock)
        self.revoked: frozenset[str] = frozenset()
        self.throttled = 0
        self._calls = Window(clock=clock, seconds=1.0)
        self._token_calls = Window(clock=clock, seconds=60.0)

    def grant(self, form: Mapping[str, str], *, scopes: frozenset[str], settings: SimSettings) -> str:
        """Return an access token for the credentials in *form*; raises `Problem` if there is none."""
        if not self._token_calls.admits(settings.tokens_per_minute):
            self.throttled += 1
            raise throttled(settings.throttle, seconds=60)
        if form.get("grant_type") != "client_credentials":
            raise oauth_error("unsupported_grant_type" if form else "invalid_request")
        if (form.get("client_id"), form.get("client_secret")) != (settings.client_id, settings.client_secret):
            raise oauth_error("invalid_client")
        return self.tokens.issue(
            client_id=settings.client_id,
            tenant=settings.tenant,
            scopes=scopes - self.revoked,
            lifetime=settings.token_lifetime,
        )

    def admit(self, headers: Mapping[str, str], *, tenant: str, scope: str, settings: SimSettings) -> str:
        """Return the access token of a request that may pass; raises `Problem` otherwise.

        The token stands behind ``Bearer`` or alone. A revoked scope is refused even to tokens that
        were issued with it.
        """
        text = headers.get("Authorization", "")
        token = text[7:].strip() if text.lower().startswith("bearer ") else text.strip()
        grant = self.tokens.check(token)
        if grant is None:
            raise gateway_error(401, "Unauthorized. Access token is missing or invalid.")
        if headers.get("ST-App-Key", "") != settings.app_key:
            raise gateway_error(401, "Access denied due to missing or invalid application key.")
        if not self._calls.admits(settings.requests_per_second):
            self.throttled += 1
            raise throttled(settings.throttle, seconds=1)
        if tenant != grant.tenant:
            raise _foreign(settings.foreign_tenant_status)
        if scope and (scope not in grant.scopes or scope in self.revoked):
            raise api_error(403, scope=f"The scope '{scope}' is required.")
        return token


def _foreign(status: int) -> Problem:
    if status == 401:
        return gateway_error(401, "Unauthorized. Access token is missing or invalid.")
    return api_error(status, title="The application has no access to this tenant.")
