"""Tells people by e-mail, through SMTP or SendGrid."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING

import anyio

from pcd.errors import ConfigError, Unauthorized, Unavailable
from pcd.health.channels.posting import post
from pcd.messages.smtp_sender import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcd.clock import Clock
    from pcd.config.shape import MessagingConfig, SmtpConfig
    from pcd.health.describe import Message

_SERVICE = "the mail server"
_SECONDS = 15.0
_ALTOGETHER = 30.0


class Mail:
    """Sends to every address in *to*: by the provider of ``messaging.email`` where it can, else by the other.

    GoHighLevel writes to its contacts only, so it cannot write to the office.
    """

    name = "email"

    def __init__(self, settings: MessagingConfig, *, to: Sequence[str], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._to = tuple(to)

    async def send(self, message: Message) -> None:
        """Send *message*. Raises ConfigError where no provider is set up."""
        match provider_of(self._settings):
            case "smtp":
                await self._by_smtp(self._settings.smtp, message)
            case "sendgrid":
                await self._by_sendgrid(message)
            case _:
                raise ConfigError("alerts.email: needs [messaging.smtp] or [messaging.sendgrid] to send with")

    async def _by_smtp(self, smtp: SmtpConfig, message: Message) -> None:
        email = EmailMessage()
        email["From"] = f'"{smtp.from_name}" <{smtp.from_email}>' if smtp.from_name else smtp.from_email
        email["To"] = ", ".join(self._to)
        email["Subject"] = " ".join(message.subject.split())[:200]
        email["Date"] = format_datetime(self._clock.now())
        email["Message-ID"] = make_msgid(domain=smtp.from_email.rpartition("@")[2] or "localhost")
        email["Auto-Submitted"] = "auto-generated"
        email.set_content(message.text)
        with anyio.move_on_after(_ALTOGETHER) as patience:
            await anyio.to_thread.run_sync(_deliver, smtp, email, abandon_on_cancel=True)
        if patience.cancelled_caught:
            raise Unavailable(f"did not take the message within {_ALTOGETHER:g} s", service=_SERVICE)

    async def _by_sendgrid(self, message: Message) -> None:
        """Post to SendGrid.

        Source: "Mail Send", the v3 API reference of Twilio SendGrid: 202 means accepted.
        """
        sendgrid = self._settings.sendgrid
        body = {
            "personalizations": [{"to": [{"email": address} for address in self._to]}],
            "from": {"email": sendgrid.from_email, "name": sendgrid.from_name or "pcd"},
            "subject": message.subject[:200],
            "content": [{"type": "text/plain", "value": message.text}],
        }
        headers = {"Authorization": f"Bearer {sendgrid.api_key.reveal()}"}
        await post(f"{sendgrid.api_url}/v3/mail/send", body, service="SendGrid", headers=headers)


def provider_of(settings: MessagingConfig) -> str:
    """Return who sends the office's mail, "" where nobody can."""
    usable = {
        "smtp": bool(settings.smtp.host and settings.smtp.from_email),
        "sendgrid": bool(settings.sendgrid.api_key and settings.sendgrid.from_email),
    }
    chosen = [name for name, is_usable in usable.items() if is_usable]
    return settings.email if settings.email in chosen else next(iter(chosen), "")


def _deliver(smtp: SmtpConfig, email: EmailMessage) -> None:
    """Hand *email* to the server. Runs in a thread."""
    try:
        with connect(smtp, seconds=_SECONDS) as server:
            server.send_message(email)
    except smtplib.SMTPAuthenticationError:
        raise Unauthorized(
            "refuses us; look at messaging.smtp.username and password", service=_SERVICE
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"does not take the message ({type(error).__name__})", service=_SERVICE) from None
