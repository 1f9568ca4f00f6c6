"""A ServiceTitan over HTTP: every declared resource, its list and its export.

``serve`` runs it inside of this process, for tests and for ``pcd sim``. Beside the API there are the
switches under ``/_sim`` (`pcd.sim.switches`), which the real one does not have.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from aiohttp import web

from pcd.sim import exporting, listing, problem, switches
from pcd.sim.body import json_answer
from pcd.sim.drift import drifted
from pcd.sim.faults import Dice, Faults
from pcd.sim.front import hosted
from pcd.sim.gate import Gate
from pcd.sim.settings import SimSettings
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from pcd.sim.clock import SimClock
    from pcd.sim.store import Row, Store
    from pcd.tables.spec import ExportEndpoint, ListEndpoint, Resource

_REPEATED = 5  # rows of the page before that a page may begin with
_TENANT = re.compile(r"/tenant/([^/]+)")
_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An endpoint and the resource behind it."""

    resource: Resource
    endpoint: ListEndpoint | ExportEndpoint


class Simulator:
    """A ServiceTitan with one tenant, whose records are in *store*.

    *clock* is the tenant's time, by default the store's. *resources* are those served, by default
    all that pcd declares. `settings`, `dice` (faults), `gate` (tokens, scopes) and `epoch` (raise it,
    and every continuation token is refused) may be changed while it serves.
    """

    def __init__(
        self,
        store: Store,
        *,
        settings: SimSettings | None = None,
        faults: Faults | None = None,
        clock: SimClock | None = None,
        resources: Mapping[str, Resource] = RESOURCES,
    ) -> None:
        """Prepare to serve; nothing listens yet."""
        self.store = store
        self.clock = clock or store.clock
        self.settings = settings or SimSettings()
        self.dice = Dice(faults or Faults())
        self.gate = Gate(clock=self.clock)
        self.resources = resources
        self.requests: Counter[str] = Counter()
        self.epoch = 1
        self._routes = {
            endpoint.path: Route(resource=resource, endpoint=endpoint)
            for resource in resources.values()
            for endpoint in (resource.list, resource.export)
            if endpoint is not None
        }

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that the application has been granted."""
        every = frozenset(resource.scope for resource in self.resources.values())
        return every if self.settings.scopes is None else self.settings.scopes

    def app(self) -> web.Application:
        """Return the application to serve."""
        app = web.Application(middlewares=[_problems])
        app.router.add_post("/connect/token", self.answer_token)
        switches.add_routes(app, simulator=self)
        app.router.add_get("/{tail:.*}", self.answer)
        return app

    async def answer_token(self, request: web.Request) -> web.Response:
        """Answer ``POST /connect/token``: client credentials in a form, nothing else."""
        self.requests["token"] += 1
        if self.dice.happens("server_error"):
            raise problem.server_error(self.dice.server_error())
        if request.content_type != "application/x-www-form-urlencoded":
            raise problem.oauth_error("invalid_request")
        form = {name: str(value) for name, value in (await request.post()).items()}
        token = self.gate.grant(form, scopes=self.scopes, settings=self.settings)
        body = {
            "access_token": token,
            "expires_in": int(self.settings.token_lifetime.total_seconds()),
            "token_type": "Bearer",
            "scope": " ".join(sorted(self.scopes - self.gate.revoked)),
        }
        return json_answer(body)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for records."""
        found = _TENANT.search(request.path)
        route = self._routes.get(_TENANT.sub("/tenant/{tenant}", request.path, count=1))
        scope = route.resource.scope if route else ""
        token = self.gate.admit(
            request.headers,
            tenant=found.group(1) if found else self.settings.tenant,
            scope=scope,
            settings=self.settings,
        )
        if route is None:
            raise problem.api_error(404)
        self.requests[route.endpoint.path] += 1
        await self._spoil(token)
        body = self._body(route, params=request.query)
        return await self._send(request, body=body)

    def records(self, resource: str, *, rows: list[Row]) -> list[bytes]:
        """Return the records of *rows* as exports serve them."""
        faults = self.dice.faults
        if not faults.drifts:
            return [row.body for row in rows]
        return [drifted(row, resource=resource, faults=faults) for row in rows]

    def _body(self, route: Route, *, params: Mapping[str, str]) -> bytes:
        if route.endpoint is route.resource.list:
            return self._list_body(route.resource, endpoint=route.endpoint, params=params)
        return self._export_body(route.resource, params=params)

    def _list_body(self, resource: Resource, *, endpoint: ListEndpoint, params: Mapping[str, str]) -> bytes:
        page = listing.list_page(
            self.store[resource.name], endpoint=endpoint, params=params, settings=self.settings
        )
        records = self.records(resource.name, rows=page.rows)
        shaped = [listing.list_record(body, resource=resource.name, endpoint=endpoint) for body in records]
        echo = page.page + 1 if self.dice.happens("wrong_page") else page.page
        return listing.list_body(page, echo=echo, records=shaped)

    def _export_body(self, resource: Resource, *, params: Mapping[str, str]) -> bytes:
        shelf = self.store[resource.name]
        begin = exporting.start(shelf, params=params, epoch=self.epoch)
        if begin.sequence and self.dice.happens("export_token_refused"):
            raise problem.api_error(400, **{"from": "The continuation token is not valid."})
        if self.dice.happens("empty_page"):
            found = exporting.Feed(rows=[], after=begin, has_more=True)
        else:
            found = exporting.feed(
                shelf, begin=begin, params=params, settings=self.settings, now=self.clock.now()
            )
        rows = found.rows
        is_recent = params.get("includeRecentChanges", "").lower() == "true"
        if is_recent and begin.sequence and self.dice.happens("duplicates"):
            rows = exporting.preceding(shelf, begin=begin, count=_REPEATED) + rows
        if len(rows) > 1 and self.dice.happens("disorder"):
            rows = self.dice.shuffled(rows)
        return exporting.feed_body(found, records=self.records(resource.name, rows=rows))

    async def _spoil(self, token: str) -> None:
        """Let happen what goes wrong before an answer."""
        faults = self.dice.faults
        if self.dice.happens("token_expired"):
            self.gate.tokens.revoke(token)
            raise problem.gateway_error(401, "Unauthorized. Access token is missing or invalid.")
        if self.dice.happens("rate_limited"):
            raise problem.throttled(self.dice.throttle(), seconds=faults.retry_seconds)
        if self.dice.happens("server_error"):
            raise problem.server_error(self.dice.server_error())
        if self.dice.happens("maintenance"):
            raise problem.api_error(409)
        if self.dice.happens("hang"):
            await anyio.sleep(faults.hang_seconds)
            raise ConnectionResetError

    async def _send(self, request: web.Request, *, body: bytes) -> web.StreamResponse:
        """Send *body*, or let happen what goes wrong on the way."""
        if self.dice.happens("truncated"):
            return web.Response(body=body[: len(body) // 2], headers={"Content-Type": _JSON})
        if not self.dice.happens("reset"):
            return web.Response(body=body, headers={"Content-Type": _JSON})
        response = web.StreamResponse(headers={"Content-Type": _JSON, "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.abort()
        return response


@asynccontextmanager
async def serve(simulator: Simulator, *, port: int = 0) -> AsyncIterator[str]:
    """Serve *simulator* on the loopback interface and yield its URL; 0 means any free port."""
    async with hosted(simulator.app(), port=port) as url:
        yield url


@web.middleware
async def _problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn a raised `Problem` into its answer, and a broken connection into none."""
    try:
        return await handler(request)
    except problem.Problem as found:
        return web.Response(
            status=found.status, body=found.body, content_type=found.content_type, headers=found.headers
        )
    except ConnectionResetError:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
