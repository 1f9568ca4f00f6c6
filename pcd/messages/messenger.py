"""Sends a message once, or says why not: vetted, claimed, handed over, recorded."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcd.crm.normalize import e164, email
from pcd.errors import (
    Forbidden,
    OptedOut,
    RateLimited,
    Rejected,
    StoreError,
    Unauthorized,
    Unreachable,
    UpstreamError,
    WrongPlace,
)
from pcd.messages import reader
from pcd.messages.claimer import Claim, Claimer
from pcd.messages.message import (
    Address,
    Channel,
    Mode,
    Overtaken,
    Possible,
    Unaddressed,
    Unsent,
    Withheld,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pcd.clock import Clock
    from pcd.db.pool import Database
    from pcd.ghl.client import GoHighLevel
    from pcd.ghl.shapes import Contact
    from pcd.messages.message import Message, Result
    from pcd.messages.reader import Policy, Recipient
    from pcd.messages.sender import Sender
    from pcd.messages.stopper import Stopper

_log = logging.getLogger(__name__)

_DND_KEYS = {Channel.SMS: "SMS", Channel.EMAIL: "Email"}


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Everything that is known before the decision."""

    recipient: Recipient
    address: Address
    sender: Sender
    objections: tuple[str, ...]


async def _always() -> str:
    return ""


class Messenger:
    """The one way to a customer. Safe to use from any number of tasks and processes at once."""

    def __init__(
        self,
        db: Database,
        *,
        senders: Mapping[Channel, Sender],
        policy: Policy,
        ghl: GoHighLevel | None,
        stopper: Stopper,
        clock: Clock,
    ) -> None:
        """*ghl* is asked whether a linked contact may be written to; None where there is no GoHighLevel."""
        self._db = db
        self._senders = senders
        self._policy = policy
        self._ghl = ghl
        self._stopper = stopper
        self._claimer = Claimer(db, policy=policy, clock=clock)

    async def send(
        self,
        message: Message,
        *,
        still_wanted: Callable[[], Awaitable[str]] = _always,
        only_ask: bool = False,
    ) -> Result:
        """Return what became of the message; its key is sent once, however often this is called.

        *still_wanted* is asked immediately before it is claimed, and says why not. With *only_ask*
        nothing is claimed, recorded or sent. A cancellation while the provider has the message parks it.
        """
        prepared = await self._prepare(message)
        if not isinstance(prepared, _Prepared):
            return prepared
        if reason := await still_wanted():
            return Overtaken(reason)
        if only_ask:
            withheld = await self._claimer.rehearse(
                message, prepared.recipient, prepared.address, objections=prepared.objections
            )
            return withheld or Possible()
        decision = await self._claimer.claim(
            message,
            prepared.recipient,
            prepared.address,
            provider=prepared.sender.provider,
            objections=prepared.objections,
        )
        if not isinstance(decision, Claim):
            return decision
        return await self._hand_over(message, prepared, decision)

    async def _prepare(self, message: Message) -> _Prepared | Result:
        """Find the way to the customer, and what GoHighLevel says of the contact at this moment."""
        if self._policy.mode is Mode.OFF:
            return Withheld("messages are switched off (messaging.mode)")
        recipient = await reader.recipient(self._db, message.customer_id)
        if recipient is None:
            return Unsent(f"the mirror has no customer {message.customer_id}", is_final=True)
        try:
            contact = await self._contact(recipient)
        except Rejected as error:
            return Unsent(str(error), is_final=not isinstance(error, WrongPlace))
        except UpstreamError as error:
            return Unsent(str(error), is_final=False, retry_after=_after(error))
        sender = self._senders[message.channel]
        address = sender.address(recipient, contact)
        if isinstance(address, str) and self._policy.mode is Mode.DRY_RUN:
            address = _mirrored(recipient, message.channel, country=self._policy.country) or address
        if isinstance(address, str):
            may_come = sender.provider == "ghl" and contact is None  # the link to one
            return Unsent(address, is_final=False) if may_come else Unaddressed(address)
        return _Prepared(recipient, address, sender, _objections(contact, message.channel))

    async def _contact(self, recipient: Recipient) -> Contact | None:
        if self._ghl is None or not recipient.contact_id:
            return None
        return await self._ghl.get_contact(recipient.contact_id)

    async def _hand_over(self, message: Message, prepared: _Prepared, claim: Claim) -> Result:
        address, sender = prepared.address, prepared.sender
        try:
            receipt = await sender.send(message, address)
        except OptedOut as error:
            await self._claimer.failed(claim, str(error))
            # A contact's DND is read before every message; what only the carrier knows is remembered.
            if not address.contact_id:
                await self._stopper.stop(
                    prepared.recipient.customer_id, address.value, reason=str(error), at=claim.at
                )
            return Withheld(str(error))
        except (Unreachable, RateLimited, Unauthorized, Forbidden, Rejected) as error:
            await self._claimer.failed(claim, str(error))
            is_final = isinstance(error, Rejected) and not isinstance(error, WrongPlace)
            return Unsent(str(error), is_final=is_final, retry_after=_after(error))
        except UpstreamError as error:
            _log.warning("message %s: %s; parked, a person decides", claim.log_id, error)
            return await self._claimer.park(claim, str(error))
        except BaseException:
            # What cannot be parked now stays claimed, which the keeper parks.
            with suppress(StoreError):
                await self._claimer.park(claim, "it was cut off while the provider had it")
            raise
        return await self._claimer.sent(claim, message, address, receipt)


def _objections(contact: Contact | None, channel: Channel) -> tuple[str, ...]:
    """Return what GoHighLevel says against writing to *contact* by *channel*."""
    if contact is None:
        return ()
    is_blocked = contact.dnd_settings.get(_DND_KEYS[channel], "inactive") in {"active", "permanent"}
    return ("GoHighLevel says do not disturb",) if contact.dnd or is_blocked else ()


def _mirrored(recipient: Recipient, channel: Channel, *, country: str) -> Address | None:
    """Return where a rehearsed message would go if the customer had a contact."""
    value = e164(recipient.phone, country) if channel is Channel.SMS else email(recipient.email)
    return Address(value=value) if value else None


def _after(error: UpstreamError) -> float | None:
    return error.retry_after if isinstance(error, RateLimited) else None
