from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.messaging import PHONE, Messaging, email, text

from pcd.config import Secret
from pcd.config.shape import SmtpConfig, TwilioConfig
from pcd.errors import ConfigError
from pcd.messages.message import Parked, Sent, Unaddressed, Unsent, Withheld
from pcd.sim.mailbox import Mishap, open_mailbox
from pcd.sim.trouble import Throttling, Trouble

if TYPE_CHECKING:
    from pcd.messages.message import Message, Result

pytestmark = pytest.mark.asyncio


async def through_twilio(desk: Messaging, message: Message | None = None) -> Result:
    return await desk.messenger(config=desk.through(sms="twilio")).send(message or text())


async def test_text_goes_through_twilio_to_the_normalised_number(desk: Messaging) -> None:
    await desk.customer()
    result = await through_twilio(desk)
    assert isinstance(result, Sent)
    (sent,) = desk.providers.received.texts
    assert (sent.to, sent.body, sent.sid) == (PHONE, "Hello.", result.provider_message_id)


async def test_number_that_is_none_is_not_tried(desk: Messaging) -> None:
    await desk.customer(phone="ask for Bo")
    result = await through_twilio(desk)
    assert result == Unaddressed("ServiceTitan has no usable phone number of the customer")


async def test_number_that_answered_stop_to_twilio_is_remembered(desk: Messaging) -> None:
    await desk.customer()
    desk.providers.received.unsubscribed.add(PHONE)
    assert isinstance(await through_twilio(desk), Withheld)
    desk.providers.received.unsubscribed.clear()
    result = await through_twilio(desk, text("k:2"))
    assert isinstance(result, Withheld)
    assert "opted out" in result.reason
    assert desk.providers.received.texts == []


async def test_limit_of_twilio_is_waited_for_as_long_as_it_says(desk: Messaging) -> None:
    await desk.customer()
    desk.providers.troubles.plan(Trouble.RATE_LIMITED, seconds=7, throttling=Throttling.JSON_HEADER)
    result = await through_twilio(desk)
    assert isinstance(result, Unsent)
    assert (result.is_final, result.retry_after) == (False, 7)
    assert isinstance(await through_twilio(desk), Sent)
    assert len(desk.providers.received.texts) == 1
    assert [(row["status"], row["attempt"]) for row in await desk.log()] == [("sent", 2)]


async def test_provider_that_cannot_be_reached_is_tried_again(desk: Messaging) -> None:
    await desk.customer()
    nowhere = TwilioConfig(
        api_url="http://127.0.0.1:9", account_sid="AC1", auth_token=Secret("t"), phone_number="+12025550199"
    )
    result = await desk.messenger(config=desk.through(sms="twilio", twilio=nowhere)).send(text())
    assert isinstance(result, Unsent)
    assert not result.is_final
    assert isinstance(await through_twilio(desk), Sent)


async def test_refused_credentials_are_not_the_messages_fault(desk: Messaging) -> None:
    await desk.customer()
    wrong = TwilioConfig(
        api_url=desk.providers.url,
        account_sid=desk.providers.settings.account_sid,
        auth_token=Secret("wrong"),
        phone_number="+12025550199",
    )
    result = await desk.messenger(config=desk.through(sms="twilio", twilio=wrong)).send(text())
    assert isinstance(result, Unsent)
    assert "credentials" in result.reason
    assert not result.is_final


@pytest.mark.parametrize("trouble", [Trouble.SERVER_ERROR_AFTER, Trouble.RESET_AFTER, Trouble.SERVER_ERROR])
@pytest.mark.parametrize("provider", ["twilio", "sendgrid"])
async def test_lost_answer_of_a_carrier_is_parked(desk: Messaging, provider: str, trouble: Trouble) -> None:
    await desk.customer()
    desk.providers.troubles.plan(trouble)
    config = desk.through(sms="twilio", email="sendgrid")
    message = text() if provider == "twilio" else email()
    for _ in range(2):
        assert isinstance(await desk.messenger(config=config).send(message), Parked)
    arrived = [*desk.providers.received.texts, *desk.providers.received.emails]
    assert len(arrived) == (0 if trouble is Trouble.SERVER_ERROR else 1)


async def test_email_goes_through_sendgrid(desk: Messaging) -> None:
    await desk.customer()
    result = await desk.messenger(config=desk.through(email="sendgrid")).send(email())
    assert isinstance(result, Sent)
    (sent,) = desk.providers.received.emails
    assert (sent.to, sent.subject, sent.id) == (
        ("c1@example.com",),
        "Your estimate",
        result.provider_message_id,
    )
    assert dict(sent.content) == {"text/plain": "Hello.", "text/html": "<p>Hello.</p>"}


@pytest.mark.parametrize(
    ("mishap", "expected", "arrived"),
    [
        (None, Sent, 1),
        (Mishap.REFUSED, Unsent, 0),
        (Mishap.BUSY, Unsent, 0),
        (Mishap.RESET, Parked, 0),
        (Mishap.RESET_AFTER, Parked, 1),
    ],
)
async def test_email_goes_through_smtp(
    desk: Messaging, mishap: Mishap | None, expected: type, arrived: int
) -> None:
    await desk.customer()
    async with open_mailbox(username="office", password="secret") as mailbox:
        mailbox.mishaps.extend([mishap] if mishap else [])
        smtp = SmtpConfig(
            host=mailbox.host,
            port=mailbox.port,
            tls="none",
            username="office",
            password=Secret("secret"),
            from_email="office@example.com",
        )
        result = await desk.messenger(config=desk.through(email="smtp", smtp=smtp)).send(email())
        assert isinstance(result, expected)
        assert len(mailbox.letters) == arrived
        for letter in mailbox.letters:
            assert (letter.to, letter.mail["Subject"]) == (("c1@example.com",), "Your estimate")
        if isinstance(result, Unsent):
            assert result.is_final is (mishap is Mishap.REFUSED)


async def test_email_goes_through_gohighlevel_by_default(desk: Messaging) -> None:
    await desk.customer()
    assert isinstance(await desk.messenger().send(email()), Sent)
    assert desk.texts() == ["<p>Hello.</p>"]


async def test_provider_that_cannot_carry_the_channel_is_refused(desk: Messaging) -> None:
    with pytest.raises(ConfigError, match="cannot send that"):
        desk.messenger(config=desk.through(sms="smtp"))


async def test_provider_without_credentials_says_which_section_to_fill(desk: Messaging) -> None:
    await desk.customer()
    config = desk.through(sms="twilio", twilio=TwilioConfig(), email="smtp", smtp=SmtpConfig())
    for message, section in ((text(), "messaging.twilio"), (email("k:2"), "messaging.smtp")):
        result = await desk.messenger(config=config).send(message)
        assert isinstance(result, Unsent)
        assert section in result.reason
