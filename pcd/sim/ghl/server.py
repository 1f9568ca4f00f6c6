"""A sub-account of GoHighLevel over HTTP, with the switches under ``/_sim`` beside the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from pcd.sim.body import json_answer
from pcd.sim.front import Front, answered
from pcd.sim.ghl import refusals, switches
from pcd.sim.ghl.account import Account
from pcd.sim.ghl.attachments import Attachments
from pcd.sim.ghl.contacts import Contacts
from pcd.sim.ghl.conversations import Conversations
from pcd.sim.ghl.endpoint import Ask, Endpoint
from pcd.sim.ghl.gate import Gate
from pcd.sim.ghl.oauth import Grants
from pcd.sim.ghl.opportunities import Opportunities
from pcd.sim.ghl.person import Person
from pcd.sim.ghl.store import Store
from pcd.sim.ghl.validate import query_violations, violations
from pcd.sim.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pcd.sim.calls import CallLog
    from pcd.sim.clock import SimClock
    from pcd.sim.ghl.settings import GhlSimSettings
    from pcd.sim.trouble import Troublemaker, TroubleRates

_READS = frozenset({"/contacts/search", "/opportunities/search", "/oauth/token"})
_FORM = "application/x-www-form-urlencoded"


class Simulator:
    """One sub-account.

    `store` holds its records, `calls` what was asked, `troubles` what goes wrong, `gate` who may call and
    how often, `grants` the OAuth tokens, `person` somebody in the user interface. All may be used and
    changed while it serves.
    """

    def __init__(
        self, settings: GhlSimSettings, *, clock: SimClock, faults: TroubleRates | None = None
    ) -> None:
        """Prepare to serve; nothing listens yet."""
        self.settings = settings
        self.clock = clock
        self.store = Store(settings, clock=clock)
        self.grants = Grants(settings, clock=clock, ids=self.store.ids)
        self.gate = Gate(settings, clock=clock, grants=self.grants)
        self.person = Person(self.store, settings)
        contacts = Contacts(self.store, settings)
        self.conversations = Conversations(self.store, settings, contacts=contacts)
        self.endpoints: tuple[Endpoint, ...] = (
            *contacts.endpoints(),
            *Attachments(self.store, settings, contacts=contacts).endpoints(),
            *Opportunities(self.store, settings).endpoints(),
            *self.conversations.endpoints(),
            *Account(self.store, settings).endpoints(),
        )
        self._front = Front(clock=clock, rates=faults, is_write=is_write)

    @property
    def calls(self) -> CallLog:
        """What was asked, the oldest first; ``calls.writes`` are those meant to change something."""
        return self._front.calls

    @property
    def troubles(self) -> Troublemaker:
        """What goes wrong: by chance, or planned for the next request that fits."""
        return self._front.troubles

    def app(self) -> web.Application:
        """Return the application to serve."""
        app = web.Application(middlewares=[self._front.middleware()])
        switches.add_routes(app, simulator=self)
        app.router.add_post("/oauth/token", self._answer_token)
        for endpoint in self.endpoints:
            for path in self._spellings(endpoint.path):
                app.router.add_route(endpoint.method, path, self._handler(endpoint))
        app.router.add_route("*", "/{tail:.*}", self._answer_nowhere)
        return app

    def _spellings(self, path: str) -> tuple[str, ...]:
        """Return *path*, and without its last slash where the settings tolerate that."""
        is_tolerant = path.endswith("/") and not self.settings.needs_slash
        return (path, path.rstrip("/")) if is_tolerant else (path,)

    def _handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            body = await _json(request) if endpoint.body is not None else {}
            try:
                response = self._answered(request, endpoint, body)
            except Problem as problem:
                response = answered(problem)
            response.headers.update(self.gate.headers())
            return response

        return handle

    def _answered(self, request: web.Request, endpoint: Endpoint, body: object) -> web.Response:
        """Answer without giving up control in between: a request is carried out wholly or not at all."""
        self.person.catch_up()
        parts, query = dict(request.match_info), dict(request.query)
        named = [parts.get("locationId"), query.get("locationId"), query.get("location_id")]
        named.append(body.get("locationId") if isinstance(body, dict) and endpoint.body is not None else None)
        locations = {one for one in named if isinstance(one, str) and one}
        self.gate.admit(request.headers, endpoint=endpoint, locations=locations)
        if not isinstance(body, dict):
            raise refusals.bad_request("Unexpected token in JSON")
        broken = query_violations(query, allowed=endpoint.query, needed=endpoint.needs)
        broken += violations(body, endpoint.body or {})
        if broken:
            raise refusals.unprocessable(broken, trace=self.store.ids.trace())
        reply = endpoint.answer(Ask(parts=parts, query=query, body=body))
        return json_answer(reply.body, status=reply.status)

    async def _answer_token(self, request: web.Request) -> web.Response:
        if request.content_type != _FORM:
            raise refusals.unprocessable(["grant_type should not be empty"], trace=self.store.ids.trace())
        form = {name: str(value) for name, value in (await request.post()).items()}
        return json_answer(self.grants.grant(form))

    async def _answer_nowhere(self, request: web.Request) -> web.Response:
        raise refusals.no_route(request.method, request.path)


def is_write(method: str, path: str) -> bool:
    """Whether a request is meant to change something; searches by POST are not."""
    return method != "GET" and path not in _READS


async def _json(request: web.Request) -> Any:  # noqa: ANN401 - whatever was sent
    raw = await request.read()
    if not raw:
        return {}
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
