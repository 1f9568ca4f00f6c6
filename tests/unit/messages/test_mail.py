from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pcd.config.shape import SmtpConfig
from pcd.messages.mail import as_html, as_text, envelope, is_html, mirrored_address
from pcd.messages.message import Address, Channel, Message
from pcd.messages.reader import Recipient

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SETTINGS = SmtpConfig(host="mail", from_email="office@example.com", from_name="Heron Pools")


def message(**changes: str) -> Message:
    given = {"key": "k:1", "subject": "Your visit", "text": "It is tomorrow."} | changes
    return Message(channel=Channel.EMAIL, customer_id=1, **given)  # type: ignore[arg-type]


def test_same_message_has_the_same_id_at_every_try() -> None:
    first, again = (
        envelope(message(), Address(value="a@example.com"), SETTINGS, now=NOW)["Message-ID"] for _ in range(2)
    )
    other = envelope(message(key="k:2"), Address(value="a@example.com"), SETTINGS, now=NOW)["Message-ID"]
    assert first == again != other


def test_line_break_cannot_add_a_header() -> None:
    with pytest.raises(ValueError):
        envelope(
            message(subject="Hi\nBcc: all@example.com"), Address(value="a@example.com"), SETTINGS, now=NOW
        )


@pytest.mark.parametrize(
    "value",
    [
        "",
        "rosa",
        "rosa@",
        "a b@example.com",
        "a@b",
        "a@example.com, b@example.com",
        "rosé@example.com",
        "a\N{ZERO WIDTH SPACE}@example.com",
        f"{'a' * 300}@example.com",
    ],
)
def test_unusable_address_is_none(value: str) -> None:
    """One that SMTP cannot say would fail in the middle of the dialogue, and be parked for a person."""
    assert isinstance(mirrored_address(Recipient(customer_id=1, named_id=1, email=value)), str)


def test_html_and_text_become_each_other() -> None:
    assert is_html(" <p>x</p>")
    assert not is_html("2 < 3")
    assert as_html("a & b\nc") == "a &amp; b<br>\nc"
    assert as_text("<style>p{}</style><p>Hi&nbsp;<b>you</b></p><p>there<br>now</p>") == "Hi you\nthere\nnow"
