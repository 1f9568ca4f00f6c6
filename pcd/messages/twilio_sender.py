"""Sends text messages through Twilio."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Final

import msgspec

from pcd.crm.normalize import e164
from pcd.errors import Malformed, OptedOut, Rejected, Unreachable
from pcd.fetcher import Call
from pcd.messages.message import Address, Receipt
from pcd.messages.poster import post

if TYPE_CHECKING:
    from pcd.config.shape import TwilioConfig
    from pcd.ghl.shapes import Contact
    from pcd.messages.message import Message
    from pcd.messages.reader import Recipient

SERVICE: Final = "Twilio"
UNSUBSCRIBED: Final = 21610
"""The error code for a number that answered STOP.

Source: https://www.twilio.com/docs/api/errors/21610
"""


class TwilioSender:
    """Twilio's Messages resource.

    Source: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
    """

    provider = "twilio"

    def __init__(self, settings: TwilioConfig, *, country: str) -> None:
        self._settings = settings
        self._country = country

    def address(self, recipient: Recipient, contact: Contact | None) -> Address | str:
        """Return the customer's first phone number, or why there is none."""
        del contact
        value = e164(recipient.phone, self._country)
        return Address(value=value) if value else "ServiceTitan has no usable phone number of the customer"

    async def send(self, message: Message, address: Address) -> Receipt:
        """Hand the message over, once. Raises OptedOut for a number that answered STOP to Twilio."""
        settings = self._settings
        if not (settings.account_sid and settings.auth_token and settings.phone_number):
            raise Unreachable("messaging.twilio is not complete, so nothing can be sent", service=SERVICE)
        credentials = b64encode(f"{settings.account_sid}:{settings.auth_token.reveal()}".encode()).decode()
        call = Call(
            service=SERVICE,
            method="POST",
            url=f"{settings.api_url}/2010-04-01/Accounts/{settings.account_sid}/Messages.json",
            what="send a text message",
            headers={"Authorization": f"Basic {credentials}"},
            form={"To": address.value, "From": settings.phone_number, "Body": message.text},
        )
        try:
            response = await post(call)
        except Rejected as error:
            if _Refusal.of(error.body).code == UNSUBSCRIBED:
                raise OptedOut("the number answered STOP to Twilio", service=SERVICE) from error
            raise
        try:
            answer = msgspec.json.decode(response.body, type=_Answer)
        except msgspec.DecodeError as error:
            raise Malformed("send a text message: the answer cannot be read", service=SERVICE) from error
        return Receipt(answer.sid, answer.status)


class _Answer(msgspec.Struct):
    sid: str
    status: str = ""


class _Refusal(msgspec.Struct):
    code: int = 0

    @classmethod
    def of(cls, body: str) -> _Refusal:
        try:
            return msgspec.json.decode(body, type=cls)
        except msgspec.DecodeError:
            return cls()
