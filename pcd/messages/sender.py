"""Who carries messages: the protocol of a provider, and the choice that the configuration makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pcd.errors import ConfigError
from pcd.messages.message import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.ghl.client import GoHighLevel
    from pcd.ghl.shapes import Contact
    from pcd.messages.message import Address, Message, Receipt
    from pcd.messages.reader import Recipient


class Sender(Protocol):
    """One provider for one channel."""

    @property
    def provider(self) -> str:
        """Its name, as ``messaging_log.provider`` says it."""

    def address(self, recipient: Recipient, contact: Contact | None) -> Address | str:
        """Return where a message would go, or why nowhere."""

    async def send(self, message: Message, address: Address) -> Receipt:
        """Hand the message over, once.

        Raises Unreachable, RateLimited, Unauthorized, Forbidden or Rejected when it certainly was not
        taken, any other UpstreamError when that is not known.
        """


def senders(
    config: Config, *, ghl: GoHighLevel | None, country: str, clock: Clock
) -> Mapping[Channel, Sender]:
    """Return who sends what; raises ConfigError for a provider that cannot carry a channel."""
    messaging = config.messaging
    return {
        Channel.SMS: _sender("sms", messaging.sms, config, ghl=ghl, country=country, clock=clock),
        Channel.EMAIL: _sender("email", messaging.email, config, ghl=ghl, country=country, clock=clock),
    }


def _sender(
    key: str, provider: str, config: Config, *, ghl: GoHighLevel | None, country: str, clock: Clock
) -> Sender:
    from pcd.messages.ghl_sender import GhlSender
    from pcd.messages.sendgrid_sender import SendgridSender
    from pcd.messages.smtp_sender import SmtpSender
    from pcd.messages.twilio_sender import TwilioSender

    channel = Channel(key)
    match channel, provider:
        case _, "ghl":
            return GhlSender(ghl, channel=channel, country=country)
        case Channel.SMS, "twilio":
            return TwilioSender(config.messaging.twilio, country=country)
        case Channel.EMAIL, "sendgrid":
            return SendgridSender(config.messaging.sendgrid)
        case Channel.EMAIL, "smtp":
            return SmtpSender(config.messaging.smtp, clock=clock)
        case _:
            raise ConfigError(f"messaging.{key}: {provider!r} cannot send that")
