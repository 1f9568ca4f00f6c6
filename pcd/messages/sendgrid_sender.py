"""Sends e-mail through SendGrid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from pcd.errors import Unreachable
from pcd.fetcher import Call
from pcd.messages.mail import mirrored_address
from pcd.messages.message import Address, Receipt
from pcd.messages.poster import post

if TYPE_CHECKING:
    from pcd.config.shape import SendgridConfig
    from pcd.ghl.shapes import Contact
    from pcd.messages.message import Message
    from pcd.messages.reader import Recipient

SERVICE: Final = "SendGrid"


class SendgridSender:
    """SendGrid's v3 mail send.

    Source: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
    """

    provider = "sendgrid"

    def __init__(self, settings: SendgridConfig) -> None:
        self._settings = settings

    def address(self, recipient: Recipient, contact: Contact | None) -> Address | str:
        """Return the customer's e-mail address, or why there is none."""
        del contact
        return mirrored_address(recipient)

    async def send(self, message: Message, address: Address) -> Receipt:
        """Hand the message over, once."""
        settings = self._settings
        if not (settings.api_key and settings.from_email):
            raise Unreachable("messaging.sendgrid is not complete, so nothing can be sent", service=SERVICE)
        sender = {"email": settings.from_email, "name": settings.from_name}
        content = [{"type": "text/plain", "value": message.text}]
        if message.html:
            content.append({"type": "text/html", "value": message.html})
        body = {
            "personalizations": [{"to": [{"email": address.value}]}],
            "from": {key: value for key, value in sender.items() if value},
            "subject": message.subject,
            "content": content,
            "custom_args": {"pcd_key": message.key[:200]},
        }
        call = Call(
            service=SERVICE,
            method="POST",
            url=f"{settings.api_url}/v3/mail/send",
            what="send an e-mail",
            headers={
                "Authorization": f"Bearer {settings.api_key.reveal()}",
                "Content-Type": "application/json",
            },
            body=msgspec.json.encode(body),
        )
        response = await post(call)
        return Receipt(response.headers.get("X-Message-Id", ""), "accepted")
