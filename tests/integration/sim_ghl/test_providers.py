"""The simulated carriers of messages: what they take, what they refuse, and what goes wrong."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio.to_thread
import pytest
import pytest_asyncio

from pcd.sim import assistant
from pcd.sim.mailbox import Mailbox, Mishap, open_mailbox
from pcd.sim.providers import Providers, ProviderSettings, open_providers
from pcd.sim.trouble import Throttling, Trouble

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio
SID = ProviderSettings().account_sid
TEXTS = f"/2010-04-01/Accounts/{SID}/Messages.json"
TWILIO = {"Authorization": aiohttp.encode_basic_auth(SID, ProviderSettings().auth_token)}
TEXT = {"To": "+12025550101", "From": ProviderSettings().phone_number, "Body": "Your visit is tomorrow."}
EMAIL = {
    "personalizations": [{"to": [{"email": "maple.finch@example.com"}]}],
    "from": {"email": "office@example.com"},
    "subject": "Your visit",
    "content": [{"type": "text/plain", "value": "It is tomorrow."}],
}
ASKED = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "why"}]}
MODEL = {"x-api-key": ProviderSettings().anthropic_key, "anthropic-version": "2026-10-21"}


@dataclass
class Carriers:
    providers: Providers
    session: aiohttp.ClientSession

    async def post(self, path: str, **options: Any) -> tuple[int, Any]:  # noqa: ANN401 - what aiohttp takes
        async with self.session.post(self.providers.url + path, **options) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, (await answer.json() if is_json else await answer.text())


@pytest_asyncio.fixture
async def carriers() -> AsyncIterator[Carriers]:
    async with (
        open_providers(settings=ProviderSettings(hook_secret="s3", sink_token="t0")) as providers,
        aiohttp.ClientSession() as session,
    ):
        yield Carriers(providers, session)


async def test_twilio_takes_a_text_and_shows_it(carriers: Carriers) -> None:
    status, body = await carriers.post(TEXTS, data=TEXT, headers=TWILIO)
    assert (status, body["status"], body["to"]) == (201, "queued", TEXT["To"])
    assert [one.body for one in carriers.providers.received.texts] == [TEXT["Body"]]
    url = carriers.providers.url + TEXTS
    async with carriers.session.get(url, params={"To": TEXT["To"]}, headers=TWILIO) as answer:
        assert [one["sid"] for one in (await answer.json())["messages"]] == [body["sid"]]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "2025550101"}, 21211),
        ({"From": ""}, 21603),
        ({"From": "+12025550100"}, 21606),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"To": "+12025550177"}, 21610),
    ],
)
async def test_twilio_refuses(carriers: Carriers, changes: dict[str, str], code: int) -> None:
    carriers.providers.received.unsubscribed.add("+12025550177")
    status, body = await carriers.post(TEXTS, data=TEXT | changes, headers=TWILIO)
    assert (status, body["code"]) == (400, code)
    assert carriers.providers.received.texts == []


async def test_twilio_wants_its_credentials(carriers: Carriers) -> None:
    status, body = await carriers.post(
        TEXTS, data=TEXT, headers={"Authorization": aiohttp.encode_basic_auth(SID, "wrong")}
    )
    assert (status, body["code"]) == (401, 20003)


async def test_sendgrid_takes_an_email_and_refuses_half_of_one(carriers: Carriers) -> None:
    key = {"Authorization": f"Bearer {ProviderSettings().sendgrid_key}"}
    assert (await carriers.post("/v3/mail/send", json=EMAIL, headers=key))[0] == 202
    assert carriers.providers.received.emails[0].to == ("maple.finch@example.com",)
    assert (await carriers.post("/v3/mail/send", json=EMAIL))[0] == 401
    for name in EMAIL:
        body = {key: value for key, value in EMAIL.items() if key != name}
        status, answer = await carriers.post("/v3/mail/send", json=body, headers=key)
        assert status == 400
        assert answer["errors"][0]["field"].startswith(name)
    assert len(carriers.providers.received.emails) == 1


async def test_n8n_checks_its_header_before_the_workflow(carriers: Carriers) -> None:
    carriers.providers.received.inactive.add("off")
    assert await carriers.post("/webhook/new-job", json={}) == (403, "Authorization data is wrong!")
    secret = {"X-PCD-Secret": "s3", "Idempotency-Key": "k"}
    assert (await carriers.post("/webhook/off", json={}, headers=secret))[0] == 404
    assert (await carriers.post("/webhook/new-job", json={"a": 1}, headers=secret))[0] == 200
    [taken] = carriers.providers.received.hooks
    assert (taken.name, taken.body, taken.headers["Idempotency-Key"]) == ("new-job", {"a": 1}, "k")


async def test_sink_and_slack_answer_as_they_do(carriers: Carriers) -> None:
    slack = ProviderSettings().slack_path
    assert (await carriers.post("/sink/alerts", json={}))[0] == 401
    assert (await carriers.post("/sink/alerts", json={}, headers={"Authorization": "Bearer t0"}))[0] == 200
    assert await carriers.post(slack, json={"text": "hello"}) == (200, "ok")
    assert await carriers.post(slack, json={}) == (400, "no_text")
    assert await carriers.post(slack, data=b"{") == (400, "invalid_payload")
    assert await carriers.post("/services/other", json={"text": "x"}) == (404, "no_service")
    assert carriers.providers.received.slack == [{"text": "hello"}]


async def test_assistant_says_what_is_scripted_and_is_overloaded_then(carriers: Carriers) -> None:
    script = carriers.providers.assistant.script
    script += [assistant.says("because"), assistant.uses("act", {"a": 1}), assistant.fails(500)]
    status, body = await carriers.post("/v1/messages", json=ASKED, headers=MODEL)
    assert (status, body["content"][0]["text"], body["stop_reason"]) == (200, "because", "end_turn")
    _, body = await carriers.post("/v1/messages", json=ASKED, headers=MODEL)
    assert (body["content"][0]["input"], body["stop_reason"]) == ({"a": 1}, "tool_use")
    assert (await carriers.post("/v1/messages", json=ASKED, headers=MODEL))[0] == 500
    status, body = await carriers.post("/v1/messages", json=ASKED, headers=MODEL)
    assert (status, body["error"]["type"]) == (529, "overloaded_error")
    assert len(carriers.providers.assistant.heard) == 4


async def test_assistant_refuses_what_is_malformed(carriers: Carriers) -> None:
    assert (await carriers.post("/v1/messages", json=ASKED))[0] == 401
    key = {"x-api-key": MODEL["x-api-key"]}
    assert (await carriers.post("/v1/messages", json=ASKED, headers=key))[0] == 400
    forced = ASKED | {"tool_choice": {"type": "tool", "name": "act"}}
    for body in ({}, ASKED | {"messages": []}, ASKED | {"tools": [{"name": "x"}]}, forced):
        assert (await carriers.post("/v1/messages", json=body, headers=MODEL))[0] == 400
    assert carriers.providers.assistant.heard == []


async def test_the_installed_anthropic_client_understands_the_assistant(carriers: Carriers) -> None:
    import anthropic

    carriers.providers.assistant.script.append(assistant.uses("act", {"a": 1}))
    tool: Any = {"name": "act", "description": "d", "input_schema": {"type": "object"}}
    async with anthropic.AsyncAnthropic(
        api_key=ProviderSettings().anthropic_key, base_url=carriers.providers.url, max_retries=0, timeout=10
    ) as client:
        found = await client.messages.create(
            model="claude-haiku-5-5",
            max_tokens=64,
            messages=[{"role": "user", "content": "why"}],
            tools=[tool],
            tool_choice={"type": "tool", "name": "act"},
        )
    assert [block.input for block in found.content if block.type == "tool_use"] == [{"a": 1}]


async def test_text_whose_answer_was_lost_was_sent_once(carriers: Carriers) -> None:
    carriers.providers.troubles.plan(Trouble.RESET_AFTER, method="POST")
    with pytest.raises(aiohttp.ClientError):
        await carriers.post(TEXTS, data=TEXT, headers=TWILIO)
    [call] = carriers.providers.calls.writes
    assert (call.status, call.committed, call.trouble) == (0, True, "reset_after")
    assert len(carriers.providers.received.texts) == 1


async def test_throttled_text_was_not_sent(carriers: Carriers) -> None:
    carriers.providers.troubles.plan(Trouble.RATE_LIMITED, throttling=Throttling.TEXT, times=2)
    assert await carriers.post(TEXTS, data=TEXT, headers=TWILIO) == (429, "error code: 1015")
    assert (await carriers.post(TEXTS, data=TEXT, headers=TWILIO))[0] == 429
    assert (await carriers.post(TEXTS, data=TEXT, headers=TWILIO))[0] == 201
    assert [call.committed for call in carriers.providers.calls] == [False, False, True]


def deliver(mailbox: Mailbox, *, password: str = "p") -> None:
    """Send an e-mail as `smtplib` does."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "office@example.com", "pine.wren@example.org", "Your visit"
    mail.set_content("It is tomorrow.\n.\nBring a dog.\n")
    with smtplib.SMTP(mailbox.host, mailbox.port, timeout=5) as server:
        server.login("u", password)
        server.send_message(mail)


async def test_mailbox_takes_a_letter_as_it_was_written() -> None:
    async with open_mailbox(username="u", password="p") as mailbox:
        await anyio.to_thread.run_sync(deliver, mailbox)
        [letter] = mailbox.letters
        assert (letter.sender, letter.to) == ("office@example.com", ("pine.wren@example.org",))
        assert letter.mail.get_content() == "It is tomorrow.\n.\nBring a dog.\n"
        with pytest.raises(smtplib.SMTPAuthenticationError):
            await anyio.to_thread.run_sync(lambda: deliver(mailbox, password="wrong"))


@pytest.mark.parametrize(
    ("mishap", "taken"), [(Mishap.REFUSED, 0), (Mishap.BUSY, 0), (Mishap.RESET, 0), (Mishap.RESET_AFTER, 1)]
)
async def test_letter_gets_lost_before_or_after_it_was_taken(mishap: Mishap, taken: int) -> None:
    async with open_mailbox(username="u", password="p") as mailbox:
        mailbox.mishaps.append(mishap)
        with pytest.raises(smtplib.SMTPException):
            await anyio.to_thread.run_sync(deliver, mailbox)
        assert len(mailbox.letters) == taken
