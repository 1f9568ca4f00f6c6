"""The shape of an e-mail."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.utils import formataddr, parseaddr
from hashlib import blake2b
from html import escape, unescape
from typing import TYPE_CHECKING

from pcd.crm.normalize import email
from pcd.messages.message import Address

if TYPE_CHECKING:
    from datetime import datetime

    from pcd.config.shape import SmtpConfig
    from pcd.messages.message import Message
    from pcd.messages.reader import Recipient

_NOT_SHOWN = re.compile(r"<(style|script|head)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(r"<(br|/p|/div|/tr|/li|/h[1-6])\b[^>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]+>")


def mirrored_address(recipient: Recipient) -> Address | str:
    """Return the customer's e-mail address as ServiceTitan has it, or why it cannot be used."""
    value = email(recipient.email)
    return Address(value=value) if value else "ServiceTitan has no usable e-mail address of the customer"


def is_html(text: str) -> bool:
    """Whether a body is HTML: it begins with a tag."""
    return text.lstrip().startswith("<")


def as_html(text: str) -> str:
    """Return a plain *text* as HTML."""
    return escape(text).replace("\n", "<br>\n")


def as_text(html: str) -> str:
    """Return what a reader without HTML sees of *html*."""
    shown = _TAG.sub("", _BREAK.sub("\n", _NOT_SHOWN.sub("", html)))
    lines = (" ".join(line.split()) for line in unescape(shown).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def envelope(message: Message, address: Address, settings: SmtpConfig, *, now: datetime) -> EmailMessage:
    """Return *message* as it goes over SMTP. The same message has the same Message-ID at every try.

    Raises ValueError for an address or a subject that does not fit into a header.
    """
    mail = EmailMessage()
    domain = parseaddr(settings.from_email)[1].rpartition("@")[2]
    mail["From"] = formataddr((settings.from_name, settings.from_email))
    mail["To"] = address.value
    mail["Subject"] = message.subject
    mail["Date"] = now
    mail["Message-ID"] = f"<{blake2b(message.key.encode(), digest_size=16).hexdigest()}@{domain}>"
    mail.set_content(message.text)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    return mail
