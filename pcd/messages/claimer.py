"""Claims a message in ``messaging_log`` before anybody is called, and records what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import msgspec

from pcd.db import queries
from pcd.errors import StoreError
from pcd.messages import reader
from pcd.messages.message import (
    Channel,
    Dismissed,
    Mode,
    Parked,
    Rehearsed,
    Sent,
    Status,
    Withheld,
)
from pcd.messages.vet import Drop, Hold, Send, vet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from pcd.clock import Clock
    from pcd.db.pool import Connection, Database, Record
    from pcd.messages.message import Address, Message, Receipt
    from pcd.messages.reader import Policy, Recipient

_SQL = queries.load("pcd.messages")
_RECORD = 5.0
_PATIENCE = 20.0
_PAUSE = 0.5
_DECIDE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one message, and the duty to say what came of it. *token* tells claims apart."""

    log_id: UUID
    token: UUID
    at: datetime


Decision = Claim | Sent | Rehearsed | Parked | Dismissed | Withheld


class Claimer:
    """Decides, under a lock on the customer, whether a message may go, and makes it ours when it may."""

    def __init__(self, db: Database, *, policy: Policy, clock: Clock) -> None:
        self._db = db
        self._policy = policy
        self._clock = clock

    async def claim(
        self,
        message: Message,
        recipient: Recipient,
        address: Address,
        *,
        provider: str,
        objections: Sequence[str] = (),
    ) -> Decision:
        """Return a Claim, or what became of the message before, or why it may not go now.

        All that speaks against it is read in the transaction that claims, with *objections* known
        from elsewhere added. A claim that an earlier try left open is parked: its call may have been
        made. In dry run the record is all there is.
        """
        async with self._db.transaction(timeout=_DECIDE) as connection:
            await connection.execute(_SQL["lock_customer"], recipient.customer_id)
            row = await connection.fetchrow(_SQL["find_message"], message.key)
            if row is not None and (settled := await self._settled(connection, row)) is not None:
                return settled
            if (original := await self._original(connection, message)) is not None:
                return original
            withheld = await self._vet(connection, message, recipient, address, objections)
            if withheld is not None:
                return withheld
            return await self._insert(connection, message, recipient, address, provider)

    async def rehearse(
        self, message: Message, recipient: Recipient, address: Address, *, objections: Sequence[str] = ()
    ) -> Withheld | None:
        """Return why the message may not go now, None when it may; nothing is claimed or recorded."""
        async with self._db.transaction(timeout=_DECIDE) as connection:
            return await self._vet(connection, message, recipient, address, objections)

    async def sent(self, claim: Claim, message: Message, address: Address, receipt: Receipt) -> Sent:
        """Record the provider's answer; a cancellation does not keep it from being recorded.

        While the database is away it is tried on for some seconds; then StoreError is raised.
        """
        now = self._clock.now()
        deadline = anyio.current_time() + _PATIENCE
        while True:
            try:
                # A stop of the daemon waits for one try, not for all of them.
                with anyio.fail_after(_RECORD, shield=True):
                    await self._record(claim, message, address, receipt, now)
            except (StoreError, TimeoutError) as error:
                if anyio.current_time() > deadline:
                    text = f"message {claim.log_id} was sent, but that cannot be recorded: {error}"
                    raise StoreError(text) from error
            else:
                return Sent(claim.log_id, receipt.provider_message_id, now, is_new=True)
            await anyio.sleep(_PAUSE)

    async def _record(
        self, claim: Claim, message: Message, address: Address, receipt: Receipt, now: datetime
    ) -> None:
        async with self._db.transaction() as connection:
            await connection.execute(
                _SQL["record_sent"],
                claim.log_id,
                claim.token,
                receipt.provider_message_id[:255],
                receipt.provider_status[:50],
                now,
            )
            if address.contact_id and message.channel is Channel.SMS:
                await connection.execute(
                    _SQL["record_contact"], address.contact_id, message.customer_id, claim.at
                )
            if message.template:
                await connection.execute(_SQL["count_use"], message.template)

    async def failed(self, claim: Claim, reason: str) -> None:
        """Record that the message certainly did not go out."""
        with anyio.move_on_after(_RECORD, shield=True):
            await self._db.execute(
                _SQL["record_failed"], claim.log_id, claim.token, reason, self._clock.now()
            )

    async def park(self, claim: Claim, reason: str) -> Parked:
        """Record that nobody knows whether the message went out."""
        with anyio.move_on_after(_RECORD, shield=True):
            await self._db.execute(_SQL["park"], claim.log_id, claim.token, reason)
        return Parked(claim.log_id, reason)

    async def _settled(self, connection: Connection, row: Record) -> Decision | None:
        """Return what became of the message at an earlier try, None when it may be claimed (again)."""
        match Status(row["status"]):
            case Status.SENT:
                return Sent(row["id"], row["provider_message_id"] or "", row["at"], is_new=False)
            case Status.DRY_RUN if self._policy.mode is not Mode.LIVE:
                return Rehearsed(row["id"])
            case Status.CLAIMED:
                reason = "an earlier try did not live to record the answer"
                await connection.execute(_SQL["park"], row["id"], None, reason)
                return Parked(row["id"], reason)
            case Status.PARKED:
                return Parked(row["id"], row["reason"] or "no answer")
            case Status.DROPPED | Status.RECEIVED:
                return Dismissed(row["id"])
            # What was only rehearsed may go out once we are live.
            case Status.FAILED | Status.RELEASED | Status.DRY_RUN:
                return None

    async def _original(self, connection: Connection, message: Message) -> Parked | None:
        """Return the message in whose place this one would go, if that went out or may have."""
        if not message.instead_of:
            return None
        row = await connection.fetchrow(
            _SQL["find_original"], message.instance_id, message.instead_of, message.key
        )
        if row is None:
            return None
        return Parked(row["id"], f"the message in whose place another was to go is {row['status']}")

    async def _vet(
        self,
        connection: Connection,
        message: Message,
        recipient: Recipient,
        address: Address,
        objections: Sequence[str],
    ) -> Withheld | None:
        now = self._clock.now()
        standing = await reader.standing(
            connection,
            recipient,
            channel=message.channel,
            address=address.value,
            key=message.key,
            policy=self._policy,
            now=now,
        )
        standing = replace(standing, objections=(*standing.objections, *objections))
        match vet(standing, channel=message.channel, mode=self._policy.mode, now=now):
            case Send():
                return None
            case Hold(until=until, reason=reason):
                return Withheld(reason, until)
            case Drop(reason=reason):
                return Withheld(reason)

    async def _insert(
        self,
        connection: Connection,
        message: Message,
        recipient: Recipient,
        address: Address,
        provider: str,
    ) -> Decision:
        is_live = self._policy.mode is Mode.LIVE
        claim = Claim(uuid4(), uuid4(), self._clock.now())
        log_id = await connection.fetchval(
            _SQL["claim_message"],
            message.key,
            message.channel,
            address.value,
            message.subject[:500],
            message.text,
            recipient.customer_id,
            message.job_id,
            message.instance_id,
            provider,
            message.template,
            Status.CLAIMED if is_live else Status.DRY_RUN,
            claim.token,
            claim.at,
            msgspec.json.encode(dict(message.about)).decode(),
        )
        assert log_id is not None, "it was found claimable under the lock"
        return replace(claim, log_id=log_id) if is_live else Rehearsed(log_id)
