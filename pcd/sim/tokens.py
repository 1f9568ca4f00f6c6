"""Access tokens and continuation tokens of a simulated ServiceTitan."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from pcd.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an access token permits, and until when (`Clock.monotonic`)."""

    tenant: str
    scopes: frozenset[str]
    expires: float


class Issuer:
    """Issues access tokens in the form of JWTs and remembers which still hold."""

    def __init__(self, *, clock: Clock) -> None:
        """Start with a key of its own: tokens of an earlier simulator are not known here."""
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._grants: dict[str, Grant] = {}
        self.issued = 0

    def issue(self, *, client_id: str, tenant: str, scopes: Iterable[str], lifetime: timedelta) -> str:
        """Return a new access token."""
        seconds = int(lifetime.total_seconds())
        issued_at = int(self._clock.now().timestamp())
        scopes = sorted(scopes)
        claims = {
            "nbf": issued_at,
            "exp": issued_at + seconds,
            "iss": "https://auth.servicetitan.io",
            "client_id": client_id,
            "tenant": tenant,
            "jti": secrets.token_hex(16).upper(),
            "iat": issued_at,
            "scope": scopes,
        }
        token = self._sign(_text({"alg": "HS256", "typ": "at+jwt"}) + "." + _text(claims))
        now = self._clock.monotonic()
        self._grants = {key: grant for key, grant in self._grants.items() if grant.expires > now}
        self._grants[token] = Grant(
            tenant=tenant, scopes=frozenset(scopes), expires=now + lifetime.total_seconds()
        )
        self.issued += 1
        return token

    def check(self, token: str) -> Grant | None:
        """Return what *token* permits, or None if it is unknown, expired or revoked."""
        grant = self._grants.get(token)
        return grant if grant is not None and grant.expires > self._clock.monotonic() else None

    def revoke(self, token: str | None = None) -> None:
        """Refuse *token*, or all of them, from now on."""
        if token is None:
            self._grants.clear()
        else:
            self._grants.pop(token, None)

    def _sign(self, text: str) -> str:
        digest = hmac.digest(self._key, text.encode(), hashlib.sha256)
        return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """Where an export goes on: behind *sequence* of the resource's log, from *floor* (ticks) on.

    *epoch* is the generation of tokens that the server still accepts.
    """

    resource: str
    sequence: int
    floor: int
    epoch: int

    def encode(self) -> str:
        """Return the token's text."""
        return _text([self.resource, self.sequence, self.floor, self.epoch, secrets.token_hex(4)])


def decode_continuation(text: str) -> Continuation | None:
    """Return the continuation in *text*, or None where it is not one of ours."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        resource, sequence, floor, epoch, _ = orjson.loads(raw)
    except ValueError:
        return None
    return Continuation(resource=resource, sequence=sequence, floor=floor, epoch=epoch)


def _text(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()
