"""Looks again at what GoHighLevel says has changed, instead of waiting for the next pull."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
import orjson

from pcd.crm.copy import contact_row, opportunity_row
from pcd.crm.premises import Premises
from pcd.crm.puller import store_in
from pcd.db import queries
from pcd.errors import ConfigError, UpstreamError
from pcd.ghl.admit import Doorkeeping, Refused, admit, is_news
from pcd.ghl.verify import public_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.config import Config, GhlConfig
    from pcd.db.pool import Database
    from pcd.ghl.admit import Hint
    from pcd.ghl.client import GoHighLevel

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.crm")

MOST_WAITING = 1000
"""How many records wait to be looked at; what comes beyond that is refused, and sent again later.

Source: "Webhook retries", help.gohighlevel.com, 2025-11-29: it is retried when it is answered with 429, only.
"""

_REMEMBERED = 10_000


class Hearer:
    """A service, and what takes in webhooks for it.

    A webhook is a hint: the record is read again and our copy of it replaced, unless it tells nothing new.
    Nothing is lost with one that is: the next pull finds what changed.
    """

    name = "ghl hearer"

    def __init__(
        self,
        config: Config,
        *,
        db: Callable[[], Database],
        client: Callable[[], GoHighLevel],
        clock: Clock,
    ) -> None:
        """Raise ConfigError when the public key cannot be read."""
        self._rules = _rules(config.ghl)
        self._premises = Premises(config, clock=clock)
        self._db = db
        self._client = client
        self._clock = clock
        self._waiting: OrderedDict[tuple[str, str], Hint] = OrderedDict()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._news = anyio.Event()

    async def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """Return the HTTP status for a webhook, which is looked at later."""
        found = admit(headers, body, rules=self._rules, now=self._clock.now())
        match found:
            case Refused():
                _log.warning("ghl: a webhook is refused: %s", found.reason)
                return found.status
            case None:
                return 200
            case _:
                return self._keep(found)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> NoReturn:
        """Look at what was told until cancelled. Raises StoreError."""
        task_status.started()
        while True:
            while self._waiting:
                _, hint = self._waiting.popitem(last=False)
                try:
                    await self.look(hint)
                except UpstreamError as error:
                    _log.info("ghl: %s is left to the next pull: %s", hint.model, error)
            await self._news.wait()
            self._news = anyio.Event()

    async def look(self, hint: Hint) -> bool:
        """Bring our copy up to date if *hint* tells anything new; return whether it did."""
        stored = await self._db().fetchval(_SQL[f"copy_of_{hint.model}"], hint.record_id)
        if not is_news(hint, None if stored is None else orjson.loads(stored)):
            return False
        row = await self._read(hint)
        async with self._db().transaction() as connection:
            if row is None:
                await connection.execute(_SQL[f"lose_{hint.model}"], hint.record_id)
            else:
                collection = "contacts" if hint.model == "contact" else "opportunities"
                await store_in(connection, collection, [row])
        return True

    async def _read(self, hint: Hint) -> dict[str, Any] | None:
        client = self._client()
        if hint.model == "contact":
            contact = await client.get_contact(hint.record_id, low_priority=True)
            await self._premises.refresh(self._db())
            field = self._premises.settings.custom_fields.customer or ""
            return None if contact is None else contact_row(contact, customer_field=field)
        opportunity = await client.get_opportunity(hint.record_id, low_priority=True)
        return None if opportunity is None else opportunity_row(opportunity)

    def _keep(self, hint: Hint) -> int:
        if hint.webhook_id and hint.webhook_id in self._seen:
            return 200
        place = (hint.model, hint.record_id)
        waiting = self._waiting.get(place)
        if waiting is None and len(self._waiting) >= MOST_WAITING:
            return 429
        # One change is told several times, and not each time tells it: a deletion comes with an update.
        self._waiting[place] = hint if waiting is None else replace(hint, told={**waiting.told, **hint.told})
        self._seen[hint.webhook_id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        self._news.set()
        return 200


def _rules(config: GhlConfig) -> Doorkeeping:
    text = config.webhooks.public_key
    try:
        key = public_key(text) if text else b""
    except ValueError as error:
        raise ConfigError(f"ghl.webhooks.public_key: found {error}, expected an Ed25519 public key") from None
    secret = config.webhooks.secret.reveal().encode()
    return Doorkeeping(key=key, secret=secret, subaccount_id=config.location_id)
