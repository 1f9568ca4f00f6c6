"""Keeps what a marketplace app was granted: an access token of a day, and the refresh token for the next."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Protocol
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec

from pcd.errors import (
    Malformed,
    RateLimited,
    Rejected,
    StoreError,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from pcd.fetcher import Call, fetch
from pcd.ghl.classify import classify
from pcd.ghl.decode import SERVICE, UNREADABLE
from pcd.ghl.seal import NONCE_BYTES, SHORTEST_KEY, seal, unseal

if TYPE_CHECKING:
    import aiohttp

    from pcd.clock import Clock
    from pcd.config import GhlConfig

log = logging.getLogger(__name__)

EARLY = timedelta(minutes=5)
"""How long before its end an access token is replaced."""

_WITHIN = timedelta(seconds=12)
_LATER = timedelta(seconds=30)
_BELIEVED = timedelta(minutes=1)
_MAX_BYTES = 2**20
_WHAT = "POST /oauth/token"


CONSENT = "https://marketplace.gohighlevel.com/v2/oauth/chooselocation"
"""Where a person lets an app in.

Source: ``docs/oauth/Authorization.md`` of highlevel-api-docs, 2026-06-19.
"""

SCOPES = (
    "contacts.readonly",
    "contacts.write",
    "opportunities.readonly",
    "opportunities.write",
    "locations.readonly",
    "locations/customFields.readonly",
    "users.readonly",
    "workflows.readonly",
    "conversations.readonly",
    "conversations/message.readonly",
    "conversations/message.write",
)
"""The rights that the methods of `pcd.ghl.client.GoHighLevel` need, all together."""


class GrantStore(Protocol):
    """Where the grant lies, sealed, between two runs: one value, the last one that was saved."""

    async def load(self) -> bytes | None:
        """Return what was saved last; None before the first time."""

    async def save(self, sealed: bytes) -> None:
        """Keep *sealed* instead of what was there, for good once this returns."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What we were granted. A refresh token works once: each use of it brings the next."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime


class _Answer(msgspec.Struct, frozen=True):
    access_token: Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[!-~]+$")]
    refresh_token: Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[!-~]+$")]
    expires_in: Annotated[float, msgspec.Meta(gt=0)] = 86_399.0


class OAuth:
    """Hands out the present access token and asks for the next one before it ends, once for everybody.

    The new grant is saved before it is used. Before asking, the store is looked at: another process may
    have been faster.

    Source: ``docs/oauth/Authorization.md`` of highlevel-api-docs, 2026-06-19: an access token lives a
    day, a refresh token a year or until it is used; concurrent uses within 30 seconds bring the same.
    """

    def __init__(
        self, settings: GhlConfig, *, store: GrantStore, session: aiohttp.ClientSession, clock: Clock
    ) -> None:
        """Start without a grant; the first call loads it."""
        self._settings, self._store, self._session, self._clock = settings, store, session, clock
        self._turn = anyio.Lock()
        self._grant: Grant | None = None
        self._unsaved: bytes | None = None
        self._refused = ""
        self._renewed_at: datetime | None = None
        self._again_at = datetime.min.replace(tzinfo=UTC)

    @property
    def key(self) -> str:
        """The settings that tell who we are."""
        return "ghl.oauth.client_id and ghl.oauth.client_secret"

    @property
    def is_saved(self) -> bool:
        """Whether the store holds what was granted last."""
        return self._grant is not None and self._unsaved is None

    async def token(self) -> str:
        """Return an access token that is good for another moment.

        Raises Unauthorized when nothing was granted, or no longer, and Unreachable when nobody answers.
        """
        grant = self._grant
        is_to_save = self._unsaved is not None and self._clock.now() >= self._again_at
        if grant is None or is_to_save or self._is_due(grant):
            async with self._turn:
                grant = await self._present()
        return grant.access_token

    async def renew(self, refused: str) -> bool:
        """Have *refused* replaced; tell whether a try with another token is worth it.

        A token that is a minute old and refused is not replaced: the fault lies elsewhere.
        """
        grant = self._grant
        if grant is not None and grant.access_token != refused:
            return True
        if self._renewed_at is not None and self._clock.now() < self._renewed_at + _BELIEVED:
            return False
        self._refused = refused
        return True

    async def exchange(self, code: str, *, redirect_uri: str) -> None:
        """Use the *code* with which the app's installation ended, and save what it grants."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        async with self._turn:
            await self._obtain(form)

    async def adopt(self, refresh_token: str) -> None:
        """Use a *refresh_token* that somebody else kept so far, and save what it grants: theirs is spent."""
        async with self._turn:
            await self._obtain(_refreshing(refresh_token))

    def _is_due(self, grant: Grant) -> bool:
        return grant.access_token == self._refused or self._clock.now() >= grant.expires_at - EARLY

    async def _present(self) -> Grant:
        """Return a grant that is not due: ours, the stored one, or a new one."""
        if self._unsaved is not None:
            await self._save(self._unsaved)
        elif self._grant is None or self._is_due(self._grant):
            self._grant = await self._load() or self._grant
        grant = self._grant
        if grant is None:
            raise Unauthorized("GoHighLevel has granted nothing yet: authorize the app", service=SERVICE)
        return await self._refresh(grant) if self._is_due(grant) else grant

    async def _refresh(self, grant: Grant) -> Grant:
        is_good = self._clock.now() < grant.expires_at and grant.access_token != self._refused
        if is_good and self._clock.now() < self._again_at:
            return grant
        try:
            return await self._ask_again(grant)
        except Unauthorized:
            stored = await self._load()
            if stored is None or stored.refresh_token == grant.refresh_token:
                raise
            self._grant = stored
            return stored
        except Unreachable as error:
            if not is_good:
                raise
            self._again_at = self._clock.now() + _LATER
            log.debug("No new grant of GoHighLevel yet, the present one is still good: %s", error)
            return grant

    async def _ask_again(self, grant: Grant) -> Grant:
        """Use the refresh token, twice if there is no answer: for 30 s both uses bring the same."""
        form = _refreshing(grant.refresh_token)
        try:
            return await self._obtain(form)
        except Unreachable as error:
            log.debug("No new grant of GoHighLevel, asking once more: %s", error)
            return await self._obtain(form)

    async def _obtain(self, form: dict[str, str]) -> Grant:
        """Return what is granted for *form*, saved. A cancellation waits: what the form holds is spent."""
        try:
            with anyio.CancelScope(shield=True):
                grant = await self._keep(await self._request(form))
        finally:
            await anyio.lowlevel.checkpoint_if_cancelled()
        return grant

    async def _keep(self, grant: Grant) -> Grant:
        key = self._key()
        nonce = secrets.token_bytes(NONCE_BYTES)
        text = msgspec.json.encode(grant)
        sealed = await anyio.to_thread.run_sync(lambda: seal(text, key=key, nonce=nonce))
        self._grant, self._renewed_at = grant, self._clock.now()
        await self._save(sealed)
        return grant

    async def _save(self, sealed: bytes) -> None:
        """Save, or remember that it is still to be done: what was granted is used up over there."""
        self._unsaved = sealed
        try:
            await self._store.save(sealed)
        except StoreError as error:
            self._again_at = self._clock.now() + _LATER
            log.error("GoHighLevel's grant cannot be saved yet and would be lost at a restart: %s", error)  # noqa: TRY400
        else:
            self._unsaved = None

    async def _load(self) -> Grant | None:
        try:
            sealed = await self._store.load()
        except StoreError as error:
            if self._grant is None:
                raise Unreachable(f"GoHighLevel's grant cannot be read: {error}", service=SERVICE) from error
            return None
        if sealed is None:
            return None
        key = self._key()
        try:
            text = await anyio.to_thread.run_sync(lambda: unseal(sealed, key=key))
            return msgspec.json.decode(text, type=Grant)
        except (ValueError, *UNREADABLE) as error:
            told = f"GoHighLevel's grant cannot be opened with ghl.oauth.encryption_key: {error}"
            raise Unauthorized(told, service=SERVICE) from error

    def _key(self) -> str:
        key = self._settings.oauth.encryption_key.reveal()
        if len(key) < SHORTEST_KEY:
            told = f"ghl.oauth.encryption_key needs {SHORTEST_KEY} characters or more"
            raise Unauthorized(told, service=SERVICE)
        return key

    async def _request(self, form: dict[str, str]) -> Grant:
        """Return what GoHighLevel grants for *form*. Raises Unauthorized or Unreachable, nothing else."""
        settings = self._settings.oauth
        now = self._clock.now()
        identified = {
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.reveal(),
            "user_type": "Location",
        }
        call = Call(
            service=SERVICE,
            method="POST",
            url=f"{self._settings.api_url.rstrip('/')}/oauth/token",
            what=_WHAT,
            headers={},
            form={**identified, **form},
        )
        try:
            response = await fetch(self._session, call, within=_WITHIN, max_bytes=_MAX_BYTES)
            error = classify(response.status, response.headers, response.body, now=now, what=_WHAT)
            if error is not None:
                raise error
            answer = msgspec.json.decode(response.body, type=_Answer)
        except (Unauthorized, Rejected) as found:
            told = f"{found}: see {self.key}; perhaps the app has to be authorized again"
            raise Unauthorized(told, service=SERVICE) from found
        except (Unavailable, Malformed, RateLimited) as found:
            raise Unreachable(f"No new token: {found}", service=SERVICE) from found
        except UNREADABLE as found:
            raise Unreachable(f"{_WHAT}: the answer holds no grant", service=SERVICE) from found
        return Grant(
            answer.access_token, answer.refresh_token, now + timedelta(seconds=min(answer.expires_in, 86_400))
        )


def consent_address(client_id: str, *, redirect_uri: str) -> str:
    """Return the page on which a person lets the app into a subaccount.

    It leads back to *redirect_uri*, with the ``code`` for `OAuth.exchange`.
    """
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(SCOPES),
    }
    return f"{CONSENT}?{urlencode(asked)}"


def _refreshing(refresh_token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": refresh_token}
