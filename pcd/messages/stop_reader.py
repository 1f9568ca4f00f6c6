"""Reads replies in GoHighLevel's conversations, and does what STOP and START ask for."""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn

import anyio
import msgspec

from pcd.crm.normalize import e164
from pcd.db import queries
from pcd.errors import Rejected, UpstreamError, WrongPlace
from pcd.messages.classify import Wish, classify
from pcd.messages.stopper import start, stop

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.db.pool import Database, Record
    from pcd.ghl.client import GoHighLevel
    from pcd.ghl.shapes import Message

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.messages")

FOLLOWED: Final = timedelta(days=14)
"""For how long after a message of ours its replies are read."""

EVERY: Final = timedelta(minutes=5)
"""How often one conversation is read. A reply that comes later is met by GoHighLevel's own DND."""

_AT_ONCE = 20
_NEWEST = 20
_TEXT = "TYPE_SMS"
_PAUSE = 30.0
# Their clock dates replies, ours dates what they follow.
_SKEW = timedelta(minutes=10)


class StopReader:
    """A service: three calls a conversation, of low priority, those that were not read for longest first."""

    name = "stop reader"

    def __init__(
        self,
        db: Database,
        ghl: GoHighLevel,
        *,
        clock: Clock,
        country: str = "US",
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._db = db
        self._ghl = ghl
        self._clock = clock
        self._country = country
        self._jitter = jitter
        self._trouble = ""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> NoReturn:
        """Run until cancelled; raises StoreError when the database cannot."""
        task_status.started()
        while True:
            read = await self.read_due()
            if read < _AT_ONCE:
                await anyio.sleep(_PAUSE * (0.9 + self._jitter() / 5))

    async def read_due(self) -> int:
        """Read the conversations whose turn it is, and return how many were read.

        While GoHighLevel does not answer, or does not let us read, it says so once and tries again later.
        """
        now = self._clock.now()
        rows = await self._db.fetch(_SQL["conversations_to_read"], now - FOLLOWED, now - EVERY, _AT_ONCE)
        read = 0
        for row in rows:
            try:
                await self._read(row)
            except UpstreamError as error:
                if not isinstance(error, Rejected) or isinstance(error, WrongPlace):
                    self._tell(str(error))
                    return read
                # One contact that is gone must not keep the others from being read.
                _log.info("a conversation cannot be read: %s", error)
                await self._db.execute(_SQL["record_read"], row["contact_id"], now, row["since"])
            read += 1
        if read:
            self._tell("")
        return read

    async def _read(self, row: Record) -> None:
        started_at = self._clock.now()
        messages = await self._ghl.messages(row["contact_id"], limit=_NEWEST, low_priority=True)
        replies = [one for one in messages if _is_reply(one, since=row["since"] - _SKEW)]
        for reply in sorted(replies, key=lambda one: one.date_added or row["since"]):
            await self._take(row, reply)
        newest = max((one.date_added for one in replies if one.date_added), default=row["since"])
        await self._db.execute(_SQL["record_read"], row["contact_id"], started_at, newest)

    async def _take(self, row: Record, reply: Message) -> None:
        """Record one reply, and do what it asks for if it was not done before."""
        at = reply.date_added or self._clock.now()
        wish = classify(reply.text)
        address = ""
        if wish is not None:
            contact = await self._ghl.get_contact(row["contact_id"], low_priority=True)
            address = (e164(contact.phone, self._country) if contact else None) or ""
        about = msgspec.json.encode({"contact_id": row["contact_id"], "wish": wish and wish.value}).decode()
        async with self._db.transaction() as connection:
            is_new = await connection.fetchval(
                _SQL["record_received"], address, reply.text, row["customer_id"], reply.id, at, about
            )
            if not is_new:
                return
            if wish is Wish.STOP:
                await stop(connection, row["customer_id"], address, reason=reply.text[:100], at=at)
            elif wish is Wish.START:
                await start(connection, row["customer_id"], address)

    def _tell(self, trouble: str) -> None:
        if trouble and not self._trouble:
            _log.warning("replies cannot be read: %s; STOP is not seen meanwhile", trouble)
        elif self._trouble and not trouble:
            _log.info("replies can be read again")
        self._trouble = trouble


def _is_reply(message: Message, *, since: datetime) -> bool:
    is_text = not message.kind or message.kind == _TEXT
    return (
        message.direction == "inbound"
        and is_text
        and (message.date_added is None or message.date_added >= since)
    )
