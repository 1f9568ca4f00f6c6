"""Serves metrics, health and the status page."""

from __future__ import annotations

import hmac
import logging
import os
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import anyio
import msgspec

from pcd.errors import ConfigError
from pcd.health.check import Level
from pcd.telemetry.metrics import CONTENT_TYPE
from pcd.web import page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import web
    from anyio.abc import TaskStatus

    from pcd.config import Secret
    from pcd.control.status import StatusReader
    from pcd.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_FINISH = 1.0
# Who asks for /metrics or /health asks all the time. A dozen statements each time would be a load, and would
# keep them waiting while the database is at work: so it is asked ahead, for as long as anybody comes.
_ASKED_EVERY = 10.0
_OLDEST = 20.0
_COMES_WITHIN = 120.0
_LARGEST = 2**18
# The supervisor tells these itself, and without delay.
_SEEN_ALREADY = ("services:", "servicetitan:", "database:")


class Watch(Protocol):
    """What knows how the daemon is, as last measured."""

    def troubles(self, level: Level) -> list[str]:
        """Return one line for each check that stands at *level*."""

    async def last(self) -> dict[str, Any]:
        """Return every verdict, as JSON values."""

    async def day(self) -> dict[str, Any] | None:
        """Return what came of the last day, None while the database is away."""


class Hook(Protocol):
    """Takes in what another system tells by itself."""

    async def __call__(self, headers: Mapping[str, str], body: bytes) -> int:
        """Return the HTTP status of the answer, once it was decided whether to believe it."""


class WebServer:
    """A service: listens on *host* and *port* (0 picks a free one).

    Everybody who reaches the port may look. What changes something needs *token* as a bearer token; without a
    configured token nothing can be changed here. Each of the *hooks*, by path, judges whom it believes.
    """

    name = "web"

    def __init__(  # noqa: PLR0913 - one keyword each for what is served
        self,
        host: str,
        port: int,
        *,
        token: Secret,
        status: StatusReader,
        metrics: Metrics,
        watch: Watch | None = None,
        hooks: Mapping[str, Hook] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._token = token
        self._status = status
        self._metrics = metrics
        self._watch = watch
        self._hooks = hooks or {}
        self._came_at = float("-inf")
        self.address = ""

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Serve until cancelled; raises ConfigError when the port is taken."""
        from aiohttp import web

        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=_FINISH, handle_signals=False)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port)
            try:
                await site.start()
            except OSError as error:
                raise self._unusable(error) from error
            host, port = runner.addresses[0][:2]
            self.address = address_of(host, port)
            _log.info("web: the status page is at %s", self.address)
            task_status.started()
            await self._look_ahead()
        finally:
            self.address = ""
            with anyio.move_on_after(2 * _FINISH, shield=True):
                await runner.cleanup()

    def _app(self) -> web.Application:
        from aiohttp import web

        @web.middleware
        async def guarded(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            is_hook = request.method == "POST" and request.path in self._hooks
            if request.method not in {"GET", "HEAD"} and not is_hook and not self._is_allowed(request):
                return _json({"error": "a bearer token (daemon.http_token) is needed"}, status=401)
            return await handler(request)

        app = web.Application(middlewares=[guarded], client_max_size=_LARGEST)
        app.router.add_get("/", self._page)
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/health", self._health)
        app.router.add_get("/health/detailed", self._health_detailed)
        app.router.add_get("/ready", self._ready)
        for path in self._hooks:
            app.router.add_post(path, self._hook)
        return app

    def _is_allowed(self, request: web.Request) -> bool:
        expected = self._token.reveal().encode()
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        return bool(expected) and hmac.compare_digest(given, expected)

    async def _hook(self, request: web.Request) -> web.Response:
        status = await self._hooks[request.path](request.headers, await request.read())
        return _json({"status": status}, status=status)

    async def _page(self, _request: web.Request) -> web.Response:
        from aiohttp import web

        status = await self._status.read()
        if self._watch is None:
            html = page.render(status)
        else:
            html = page.render(status, watch=await self._watch.last(), day=await self._watch.day())
        return web.Response(text=html, content_type="text/html", headers=_HEADERS)

    async def _serve_metrics(self, _request: web.Request) -> web.Response:
        from aiohttp import web

        await self._look()
        return web.Response(body=self._metrics.render(), headers=_HEADERS | {"Content-Type": CONTENT_TYPE})

    async def _health(self, _request: web.Request) -> web.Response:
        await self._look()
        troubles = self._troubles()
        warnings = self._watched(Level.WARN)
        word = "degraded" if troubles else "warning" if warnings else "ok"
        state = {"status": word, "troubles": [*troubles, *warnings]}
        return _json(state, status=503 if troubles else 200)

    async def _look(self) -> None:
        self._came_at = anyio.current_time()
        await self._status.refresh(not_older_than=_OLDEST)

    async def _look_ahead(self) -> NoReturn:
        while True:
            await anyio.sleep(_ASKED_EVERY)
            if anyio.current_time() - self._came_at < _COMES_WITHIN:
                await self._status.refresh(not_older_than=_ASKED_EVERY / 2)

    async def _health_detailed(self, _request: web.Request) -> web.Response:
        found = await self._status.read()
        if self._watch is not None:
            found = {**found, "watch": await self._watch.last()}
        return _json(found, status=503 if self._troubles() else 200)

    def _troubles(self) -> list[str]:
        """Return what keeps work from being done: seen by the supervisor at this moment, or measured."""
        return [*self._status.troubles(), *self._watched(Level.FAIL)]

    def _watched(self, level: Level) -> list[str]:
        found = self._watch.troubles(level) if self._watch is not None else []
        return [each for each in found if not each.startswith(_SEEN_ALREADY)]

    async def _ready(self, _request: web.Request) -> web.Response:
        is_ready = self._status.is_ready
        return _json({"ready": is_ready}, status=200 if is_ready else 503)

    def _unusable(self, error: OSError) -> ConfigError:
        where = f"{self._host}:{self._port}"
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = "stop what listens there or choose another port"
        return ConfigError(f"daemon.http_port: cannot listen on {where} ({reason}); {hint}")


def address_of(host: str, port: int) -> str:
    """Return what to type into a browser here; what listens everywhere listens on loopback too."""
    if ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _json(value: Any, *, status: int) -> web.Response:  # noqa: ANN401 - JSON
    from aiohttp import web

    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type="application/json", headers=_HEADERS)
