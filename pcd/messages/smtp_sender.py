"""Sends e-mail through an SMTP server."""

from __future__ import annotations

import smtplib
import ssl
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from pcd.errors import NoAnswer, RateLimited, Rejected, Unauthorized, Unreachable
from pcd.messages.mail import envelope, mirrored_address
from pcd.messages.message import Address, Receipt

if TYPE_CHECKING:
    from email.message import EmailMessage

    from pcd.clock import Clock
    from pcd.config.shape import SmtpConfig
    from pcd.ghl.shapes import Contact
    from pcd.messages.message import Message
    from pcd.messages.reader import Recipient

SERVICE: Final = "the SMTP server"
_SECONDS = 30.0
_ACCEPTED = 250
_IMPLICIT_TLS = 465


class SmtpSender:
    """One connection a message, in a thread: `smtplib` blocks."""

    provider = "smtp"

    def __init__(self, settings: SmtpConfig, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def address(self, recipient: Recipient, contact: Contact | None) -> Address | str:
        """Return the customer's e-mail address, or why there is none."""
        del contact
        return mirrored_address(recipient)

    async def send(self, message: Message, address: Address) -> Receipt:
        """Hand the message over, once."""
        if not (self._settings.host and self._settings.from_email):
            raise Unreachable("messaging.smtp is not complete, so nothing can be sent", service=SERVICE)
        try:
            mail = envelope(message, address, self._settings, now=self._clock.now())
        except ValueError as error:
            raise Rejected(f"send an e-mail: {error}", service=SERVICE) from error
        # A thread cannot be cut; who is cancelled leaves it behind, and the message is parked.
        await anyio.to_thread.run_sync(self._deliver, mail, address.value, abandon_on_cancel=True)
        return Receipt(mail["Message-ID"], "accepted")

    def _deliver(self, mail: EmailMessage, to: str) -> None:
        try:
            server = connect(self._settings, seconds=_SECONDS)
        except smtplib.SMTPAuthenticationError as error:
            text = f"send an e-mail: it refused the credentials of messaging.smtp ({error.smtp_code})"
            raise Unauthorized(text, service=SERVICE) from error
        except (smtplib.SMTPException, OSError) as error:
            text = f"send an e-mail: cannot connect ({type(error).__name__})"
            raise Unreachable(text, service=SERVICE) from error
        try:
            self._hand_over(server, mail, to)
        finally:
            server.close()

    def _hand_over(self, server: smtplib.SMTP, mail: EmailMessage, to: str) -> None:
        try:
            _expect(server.mail(self._settings.from_email), "the sender")
            _expect(server.rcpt(to), "the recipient")
        except (smtplib.SMTPException, OSError) as error:
            raise Unreachable("send an e-mail: the connection was lost before it", service=SERVICE) from error
        try:
            code, reply = server.data(mail.as_bytes())
        except smtplib.SMTPDataError as error:
            code, reply = error.smtp_code, _bytes(error.smtp_error)
        except (smtplib.SMTPException, OSError) as error:
            raise NoAnswer("send an e-mail: no answer to it", service=SERVICE) from error
        _expect((code, reply), "the message")


def connect(settings: SmtpConfig, *, seconds: float) -> smtplib.SMTP:
    """Return a connection to the server of *settings*, encrypted as they say, that knows who we are.

    Blocks, each answer for at most *seconds*. Raises SMTPException and OSError.
    """
    context = ssl.create_default_context()
    is_implicit = settings.tls == "tls" or settings.port == _IMPLICIT_TLS
    server: smtplib.SMTP
    if is_implicit:
        server = smtplib.SMTP_SSL(settings.host, settings.port, timeout=seconds, context=context)
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=seconds)
    try:
        if settings.tls == "starttls" and not is_implicit:
            server.starttls(context=context)
        if settings.username:
            server.login(settings.username, settings.password.reveal())
        server.ehlo_or_helo_if_needed()
    except BaseException:
        server.close()
        raise
    return server


def _expect(answer: tuple[int, bytes], what: str) -> None:
    """Raise what *answer* means unless it is yes; 4xx asks to try again, 5xx never to."""
    code, reply = answer
    if code in {_ACCEPTED, 251}:
        return
    text = f"send an e-mail: {what} was refused ({code})"
    if 400 <= code < 500:
        raise RateLimited(text, service=SERVICE)
    raise Rejected(text, service=SERVICE, status=code, body=reply.decode(errors="replace"))


def _bytes(reply: bytes | str) -> bytes:
    return reply if isinstance(reply, bytes) else reply.encode()
