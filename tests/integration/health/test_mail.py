"""The office's mail, to a real SMTP server and to a simulated SendGrid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.hooks import hooks

from pcd.clock import Clock
from pcd.config import MessagingConfig, Secret
from pcd.config.shape import SendgridConfig, SmtpConfig
from pcd.errors import ConfigError, PcdError, Unauthorized, Unavailable
from pcd.health.channels.mail import Mail, provider_of
from pcd.health.describe import Message
from pcd.sim.mailbox import Mishap, open_mailbox

if TYPE_CHECKING:
    from pcd.sim.mailbox import Mailbox

pytestmark = pytest.mark.asyncio
MESSAGE = Message(subject="pcd: sync:\r\nBcc: everybody@example.com", text="The mirror is old. ü\n.\nEnd.")
TO = ("office@example.com", "owner@example.com")


def mail(mailbox: Mailbox, *, password: str = "right-password", tls: str = "none") -> Mail:
    smtp = SmtpConfig(
        host=mailbox.host,
        port=mailbox.port,
        tls=tls,
        username="pcd",
        password=Secret(password),
        from_email="pcd@example.com",
        from_name="Blue Pools",
    )
    return Mail(MessagingConfig(email="smtp", smtp=smtp), to=TO, clock=Clock())


async def test_everybody_gets_the_text_and_no_header_can_be_smuggled_in() -> None:
    async with open_mailbox(username="pcd", password="right-password") as mailbox:
        await mail(mailbox).send(MESSAGE)
    (letter,) = mailbox.letters
    assert letter.to == TO
    assert letter.mail["Subject"] == "pcd: sync: Bcc: everybody@example.com"
    assert letter.mail["Bcc"] is None
    assert letter.mail["Auto-Submitted"] == "auto-generated"
    assert letter.mail.get_content().splitlines() == ["The mirror is old. ü", ".", "End."]


@pytest.mark.parametrize("mishap", [Mishap.REFUSED, Mishap.BUSY, Mishap.RESET])
async def test_trouble_is_told_without_the_password(mishap: Mishap) -> None:
    async with open_mailbox(username="pcd", password="right-password") as mailbox:
        mailbox.mishaps.append(mishap)
        with pytest.raises(Unavailable, match="does not take the message") as trouble:
            await mail(mailbox).send(MESSAGE)
    assert "right-password" not in str(trouble.value)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_password_is_not_shown_to_a_server_without_the_encryption_that_is_asked_for(tls: str) -> None:
    async with open_mailbox(username="pcd", password="right-password") as mailbox:
        with pytest.raises(Unavailable, match="does not take the message"):
            await mail(mailbox, tls=tls).send(MESSAGE)
    assert mailbox.letters == []


async def test_wrong_password_is_not_tried_again() -> None:
    async with open_mailbox(username="pcd", password="right-password") as mailbox:
        with pytest.raises(Unauthorized, match=r"look at messaging\.smtp"):
            await mail(mailbox, password="wrong-password").send(MESSAGE)


async def test_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcd.health.channels.mail._ALTOGETHER", 0.5)
    monkeypatch.setattr("pcd.health.channels.mail._SECONDS", 1.0)
    async with open_mailbox(username="pcd", password="right-password") as mailbox:
        mailbox.mishaps.append(Mishap.HANG_AFTER)
        with pytest.raises(Unavailable, match=r"within 0\.5 s"):
            await mail(mailbox).send(MESSAGE)


async def test_sendgrid_gets_its_own_form() -> None:
    async with hooks() as server:
        server.statuses = [202]
        sendgrid = SendgridConfig(api_key=Secret("SG.key"), from_email="pcd@example.com", api_url=server.url)
        settings = MessagingConfig(email="sendgrid", sendgrid=sendgrid)
        await Mail(settings, to=TO, clock=Clock()).send(MESSAGE)
    (posted,) = server.posted
    assert posted.headers["Authorization"] == "Bearer SG.key"
    assert posted.path == "/v3/mail/send"
    assert [each["email"] for each in posted.body["personalizations"][0]["to"]] == list(TO)


async def test_without_a_provider_the_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"alerts\.email: needs"):
        await Mail(MessagingConfig(email="ghl"), to=TO, clock=Clock()).send(MESSAGE)
    usable = SmtpConfig(host="mail", from_email="pcd@example.com")
    assert provider_of(MessagingConfig(email="ghl", smtp=usable)) == "smtp"
    assert issubclass(ConfigError, PcdError)
