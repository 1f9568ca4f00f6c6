"""Sends through GoHighLevel's conversations: to the number or address that the contact has there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.crm.normalize import e164
from pcd.errors import OptedOut, Rejected, Unreachable
from pcd.messages.message import Address, Channel, Receipt

if TYPE_CHECKING:
    from pcd.ghl.client import GoHighLevel
    from pcd.ghl.shapes import Contact
    from pcd.messages.message import Message
    from pcd.messages.reader import Recipient

# Source: integrators' reports of the answer to a message for a contact with DND.
_BLOCKED = "DND is active"


class GhlSender:
    """GoHighLevel, for one channel. Without a client nothing leaves, and what would is told."""

    provider = "ghl"

    def __init__(self, ghl: GoHighLevel | None, *, channel: Channel, country: str) -> None:
        self._ghl = ghl
        self._channel = channel
        self._country = country

    def address(self, recipient: Recipient, contact: Contact | None) -> Address | str:
        """Return the contact's own number or address, or why there is none."""
        if contact is None:
            return "the customer is not linked to a GoHighLevel contact yet"
        value = contact.phone if self._channel is Channel.SMS else contact.email
        if self._channel is Channel.SMS:
            value = e164(value, self._country) or ""
        if not value:
            return f"GoHighLevel contact {contact.id} has no usable {_NOUNS[self._channel]}"
        assert recipient.contact_id
        return Address(value=value, contact_id=contact.id)

    async def send(self, message: Message, address: Address) -> Receipt:
        """Hand the message over, once. Raises OptedOut for a contact whose DND was set in the last moment."""
        if self._ghl is None:
            text = "ghl.token is not set, so nothing can be sent through it"
            raise Unreachable(text, service="GoHighLevel")
        try:
            return Receipt(await self._send(self._ghl, message, address))
        except Rejected as error:
            if _BLOCKED in error.body:
                raise OptedOut("GoHighLevel says do not disturb", service=error.service) from error
            raise

    async def _send(self, ghl: GoHighLevel, message: Message, address: Address) -> str:
        if message.channel is Channel.SMS:
            return await ghl.send_message(address.contact_id, kind="SMS", text=message.text)
        return await ghl.send_message(
            address.contact_id,
            kind="Email",
            text=message.text,
            subject=message.subject,
            html=message.html,
        )


_NOUNS = {Channel.SMS: "phone number", Channel.EMAIL: "e-mail address"}
