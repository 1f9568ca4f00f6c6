"""OAuth tokens of a marketplace app: short access tokens, refresh tokens that serve once.

Source: HighLevel API documents of 2026-06-19, ``apps/oauth.json`` and ``docs/oauth/Authorization.md``;
the 30 seconds in which a refresh token serves once more: integrators' reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pcd.sim.ghl.refusals import invalid_grant, unprocessable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.clock import Clock
    from pcd.sim.ghl.identity import Identities
    from pcd.sim.ghl.settings import GhlSimSettings

_GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
_NEEDED = ("client_id", "client_secret", "grant_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    access: str
    refresh: str
    issued: float


class Grants:
    """Gives out pairs of tokens. `refresh` is the refresh token that serves now."""

    def __init__(self, settings: GhlSimSettings, *, clock: Clock, ids: Identities) -> None:
        """Start with the refresh token of *settings*."""
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self.refresh = settings.refresh_token
        self._spent: dict[str, _Pair] = {}
        self._access: dict[str, float] = {}

    def holds(self, access_token: str) -> bool:
        """Whether *access_token* was given out and has not expired."""
        return self._access.get(access_token, 0.0) > self._clock.monotonic()

    def expire(self) -> None:
        """Refuse every access token given out so far."""
        self._access.clear()

    def grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Return the answer of the token endpoint; raises `Problem`.

        The refresh token before the last one yields the same pair for a while, so that two that
        refresh at once both succeed.
        """
        self._check(form)
        sent = form.get("refresh_token", "")
        spent = self._spent.get(sent)
        grace = self._settings.refresh_grace.total_seconds()
        if spent is not None and self._clock.monotonic() - spent.issued <= grace:
            return self._body(spent)
        if sent != self.refresh:
            raise invalid_grant("This refresh token is invalid")
        pair = _Pair(
            access=f"access-{self._ids.next()}",
            refresh=f"refresh-{self._ids.next()}",
            issued=self._clock.monotonic(),
        )
        self._spent[sent] = pair
        self.refresh = pair.refresh
        self._access[pair.access] = pair.issued + self._settings.access_lifetime.total_seconds()
        return self._body(pair)

    def _check(self, form: Mapping[str, str]) -> None:
        trace = self._ids.trace()
        lacking = [f"{name} should not be empty" for name in _NEEDED if not form.get(name)]
        if lacking:
            raise unprocessable(lacking, trace=trace)
        if form["grant_type"] not in _GRANT_TYPES:
            known = ", ".join(_GRANT_TYPES)
            raise unprocessable([f"grant_type must be one of the following values: {known}"], trace=trace)
        if form["grant_type"] != "refresh_token":
            raise invalid_grant("only refresh tokens are served here")
        if form["client_id"] != self._settings.client_id:
            raise invalid_grant("Invalid client_id")
        if form["client_secret"] != self._settings.client_secret:
            raise invalid_grant("Invalid client credentials")

    def _body(self, pair: _Pair) -> dict[str, Any]:
        return {
            "access_token": pair.access,
            "token_type": "Bearer",
            "expires_in": int(self._settings.access_lifetime.total_seconds()),
            "refresh_token": pair.refresh,
            "scope": " ".join(sorted(self._settings.scopes)),
            "userType": "Location",
            "locationId": self._settings.location_id,
            "companyId": self._settings.company_id,
            "userId": "SimUser0000000000001",
        }
