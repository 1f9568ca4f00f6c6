"""Simulated services that carry messages: Twilio, SendGrid, webhooks (n8n's too), Slack, Anthropic.

All are served at one address, as strict about credentials and required fields as the real ones, with the
same faults as the simulated GoHighLevel, and a log of what they received. ``texts`` and the like hold
what would have reached somebody, also where the sender was never told.
"""

from __future__ import annotations

import base64
import re
import secrets
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from pcd.sim.assistant import Assistant
from pcd.sim.body import json_answer
from pcd.sim.clock import SimClock
from pcd.sim.front import SWITCHES, Front, hosted
from pcd.sim.problem import Problem
from pcd.sim.trouble import changed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from pcd.sim.calls import CallLog
    from pcd.sim.trouble import Troublemaker, TroubleRates

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LONGEST_TEXT = 1600


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """The credentials that the services accept, all of them made up."""

    account_sid: str = "AC00000000000000000000000000000001"
    auth_token: str = "sim-twilio-token"  # noqa: S105 - known to everybody
    phone_number: str = "+12025550199"
    sendgrid_key: str = "SG.sim-key"
    from_email: str = "office@example.com"
    hook_header: str = "X-PCD-Secret"
    hook_secret: str = ""
    sink_token: str = ""
    slack_path: str = "/services/T000/B000/sim"
    anthropic_key: str = "sim-anthropic-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text message that Twilio took."""

    sid: str
    to: str
    sender: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """An e-mail that SendGrid took; *raw* is the whole request."""

    id: str
    to: tuple[str, ...]
    sender: str
    subject: str
    content: tuple[tuple[str, str], ...]
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What a webhook called *name* took."""

    name: str
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True, kw_only=True)
class Received:
    """Everything that arrived. *unsubscribed* numbers get no text, *inactive* hooks do not exist."""

    texts: list[Text] = field(default_factory=list)
    emails: list[Email] = field(default_factory=list)
    hooks: list[Posting] = field(default_factory=list)
    slack: list[Mapping[str, Any]] = field(default_factory=list)
    unsubscribed: set[str] = field(default_factory=set)
    inactive: set[str] = field(default_factory=set)


class Providers:
    """Serves all of them. `received` is what arrived, `calls` what was asked, `troubles` what goes wrong."""

    def __init__(
        self,
        settings: ProviderSettings | None = None,
        *,
        clock: SimClock | None = None,
        faults: TroubleRates | None = None,
    ) -> None:
        """Prepare to serve; nothing listens yet."""
        self.settings = settings or ProviderSettings()
        self.received = Received()
        self.assistant = Assistant(api_key=self.settings.anthropic_key)
        self.url = ""
        self._front = Front(
            clock=clock or SimClock(),
            rates=faults,
            is_write=lambda method, _: method != "GET",
            keeps_headers=True,
        )

    @property
    def calls(self) -> CallLog:
        """What was asked, the oldest first."""
        return self._front.calls

    @property
    def troubles(self) -> Troublemaker:
        """What goes wrong: by chance, or planned for the next request that fits."""
        return self._front.troubles

    @property
    def slack_url(self) -> str:
        """The incoming webhook of Slack."""
        return self.url + self.settings.slack_path

    def app(self) -> web.Application:
        """Return the application to serve."""
        app = web.Application(middlewares=[self._front.middleware()])
        messages = "/2010-04-01/Accounts/{account}/Messages"
        app.router.add_post(f"{messages}.json", self.take_text)
        app.router.add_get(f"{messages}.json", self.list_texts)
        app.router.add_get(f"{messages}/{{sid}}.json", self.show_text)
        app.router.add_post("/v3/mail/send", self.take_email)
        app.router.add_post("/webhook/{name}", self.take_flow)
        app.router.add_post("/sink/{name}", self.take_posting)
        app.router.add_post("/services/{tail:.*}", self.take_slack)
        app.router.add_post("/v1/messages", self.assistant.answer)
        app.router.add_get(f"{SWITCHES}/received", self.show_received)
        app.router.add_put(f"{SWITCHES}/faults", self.set_faults)
        return app

    async def show_received(self, _: web.Request) -> web.Response:
        """Tell what arrived; credentials stand in headers, which are left out."""
        received = self.received
        return json_answer(
            {
                "texts": [asdict(one) for one in received.texts],
                "emails": [dict(one.raw) for one in received.emails],
                "hooks": [{"name": one.name, "body": one.body} for one in received.hooks],
                "slack": received.slack,
                "injected": dict(self.troubles.counts),
            }
        )

    async def set_faults(self, request: web.Request) -> web.Response:
        """Switch to other faults: those of a preset, or the present ones with some rates changed."""
        try:
            self.troubles.switch(changed(self.troubles.rates, orjson.loads(await request.read())))
        except (ValueError, TypeError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return json_answer(asdict(self.troubles.rates))

    async def take_text(self, request: web.Request) -> web.Response:
        """Answer Twilio's ``POST Messages.json``."""
        self._check_twilio(request)
        form = {name: str(value) for name, value in (await request.post()).items()}
        to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
        if not to:
            raise twilio_error(400, 21604, "A 'To' phone number is required.")
        if not (sender or form.get("MessagingServiceSid")):
            raise twilio_error(400, 21603, "A 'From' phone number is required.")
        if not body and "MediaUrl" not in form:
            raise twilio_error(400, 21602, "Message body is required.")
        if len(body) > _LONGEST_TEXT:
            raise twilio_error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if not _E164.fullmatch(to):
            raise twilio_error(400, 21211, f"The 'To' number {to} is not a valid phone number.")
        if sender and sender != self.settings.phone_number:
            raise twilio_error(400, 21606, f"The 'From' phone number {sender} is not a valid message-capable")
        if to in self.received.unsubscribed:
            raise twilio_error(400, 21610, "Attempt to send to unsubscribed recipient")
        text = Text(sid=f"SM{secrets.token_hex(16)}", to=to, sender=sender, body=body)
        self.received.texts.append(text)
        return json_answer(self._twilio(text), status=201)

    async def list_texts(self, request: web.Request) -> web.Response:
        """Answer Twilio's ``GET Messages.json``, the newest first; of one *To* when asked."""
        self._check_twilio(request)
        to = request.query.get("To", "")
        found = [self._twilio(one) for one in reversed(self.received.texts) if to in ("", one.to)]
        return json_answer({"messages": found[: int(request.query.get("PageSize", "50"))], "page": 0})

    async def show_text(self, request: web.Request) -> web.Response:
        """Answer Twilio's ``GET Messages/{sid}.json``."""
        self._check_twilio(request)
        sid = request.match_info["sid"]
        for one in self.received.texts:
            if one.sid == sid:
                return json_answer(self._twilio(one) | {"status": "delivered"})
        raise twilio_error(404, 20404, f"The requested resource {request.path} was not found")

    async def take_email(self, request: web.Request) -> web.Response:
        """Answer SendGrid's ``POST /v3/mail/send``."""
        if request.headers.get("Authorization") != f"Bearer {self.settings.sendgrid_key}":
            text = "The provided authorization grant is invalid, expired, or revoked"
            raise sendgrid_error(401, text, where=None)
        body = await _read(request)
        to, sender = _checked_email(body)
        email = Email(
            id=secrets.token_urlsafe(16),
            to=to,
            sender=sender,
            subject=body.get("subject", ""),
            content=tuple((one["type"], one["value"]) for one in body["content"]),
            raw=body,
        )
        self.received.emails.append(email)
        return web.Response(status=202, headers={"X-Message-Id": email.id})

    async def take_flow(self, request: web.Request) -> web.Response:
        """Answer n8n's production webhook: the header first, then whether the workflow is active."""
        name, secret = request.match_info["name"], self.settings.hook_secret
        if secret and request.headers.get(self.settings.hook_header) != secret:
            raise Problem(403, b"Authorization data is wrong!", content_type="text/plain")
        if name in self.received.inactive:
            message = f'The requested webhook "POST {name}" is not registered.'
            raise Problem(404, orjson.dumps({"code": 404, "message": message}))
        self.received.hooks.append(await _posting(request))
        return json_answer({"message": "Workflow was started"})

    async def take_posting(self, request: web.Request) -> web.Response:
        """Take anything, from whoever shows the token if there is one."""
        token = self.settings.sink_token
        if token and request.headers.get("Authorization") != f"Bearer {token}":
            raise Problem(401, b'{"error":"unauthorized"}')
        self.received.hooks.append(await _posting(request))
        return json_answer({"ok": True})

    async def take_slack(self, request: web.Request) -> web.Response:
        """Answer a Slack incoming webhook, in plain words as Slack does."""
        if request.path != self.settings.slack_path:
            raise Problem(404, b"no_service", content_type="text/plain")
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            raise Problem(400, b"invalid_payload", content_type="text/plain")
        if not (body.get("text") or body.get("blocks") or body.get("attachments")):
            raise Problem(400, b"no_text", content_type="text/plain")
        self.received.slack.append(body)
        return web.Response(text="ok")

    def _check_twilio(self, request: web.Request) -> None:
        pair = f"{self.settings.account_sid}:{self.settings.auth_token}".encode()
        if request.headers.get("Authorization") != f"Basic {base64.b64encode(pair).decode()}":
            raise twilio_error(401, 20003, "Authenticate")
        if request.match_info["account"] != self.settings.account_sid:
            raise twilio_error(404, 20404, f"The requested resource {request.path} was not found")

    def _twilio(self, text: Text) -> dict[str, Any]:
        return {
            "sid": text.sid,
            "account_sid": self.settings.account_sid,
            "to": text.to,
            "from": text.sender,
            "body": text.body,
            "status": "queued",
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
        }


@asynccontextmanager
async def open_providers(
    *,
    settings: ProviderSettings | None = None,
    faults: TroubleRates | None = None,
    clock: SimClock | None = None,
    port: int = 0,
) -> AsyncIterator[Providers]:
    """Serve all of them on loopback until the block is left; ``url`` is the base of each."""
    providers = Providers(settings, clock=clock, faults=faults)
    async with hosted(providers.app(), port=port) as url:
        providers.url = url
        yield providers


def twilio_error(status: int, code: int, message: str) -> Problem:
    """Return an error of Twilio.

    Source: https://www.twilio.com/docs/usage/twilios-response
    """
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Problem(
        status, orjson.dumps({"code": code, "message": message, "more_info": more, "status": status})
    )


def sendgrid_error(status: int, message: str, *, where: str | None) -> Problem:
    """Return an error of SendGrid; *where* is the path of the field.

    Source: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors
    """
    error = {"message": message, "field": where, "help": None}
    return Problem(status, orjson.dumps({"errors": [error]}))


def _checked_email(body: dict[str, Any]) -> tuple[tuple[str, ...], str]:
    """Return the recipients and the sender of a well-formed request; raises `Problem`."""
    people = body.get("personalizations")
    if not isinstance(people, list) or not people:
        raise sendgrid_error(400, "The personalizations field is required.", where="personalizations")
    found: list[str] = []
    for number, person in enumerate(people):
        addresses = [str(one.get("email", "")) for one in person.get("to", [])]
        where = f"personalizations.{number}.to"
        if not addresses:
            raise sendgrid_error(400, "The to array is required for all personalization objects", where=where)
        for one in addresses:
            if not _EMAIL.fullmatch(one):
                text = "Does not contain a valid address."
                raise sendgrid_error(400, text, where=f"{where}.0.email")
        found += addresses
    sender = str((body.get("from") or {}).get("email", ""))
    if not _EMAIL.fullmatch(sender):
        raise sendgrid_error(
            400, "The from object must be provided for every email send.", where="from.email"
        )
    if not body.get("subject"):
        raise sendgrid_error(400, "The subject is required.", where="subject")
    content = body.get("content")
    if not content or not all(one.get("value") and one.get("type") for one in content):
        text = "The content value must be a string at least one character in length."
        raise sendgrid_error(400, text, where="content.0.value")
    return tuple(found), sender


async def _read(request: web.Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        body = None
    if request.content_type != "application/json" or not isinstance(body, dict):
        raise sendgrid_error(400, "Bad Request", where=None)
    return body


async def _posting(request: web.Request) -> Posting:
    raw = await request.read()
    try:
        body: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = raw.decode(errors="replace")
    return Posting(name=request.match_info["name"], headers=dict(request.headers), body=body)
