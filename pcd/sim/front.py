"""The way of every request to a simulated service: it is logged, it may go wrong, it is answered.

A service adds its own answers; requests under ``/_sim`` pass untouched and unlogged.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, assert_never

import anyio
import orjson
from aiohttp import web

from pcd.sim.calls import Call, CallLog
from pcd.sim.problem import Problem, server_error
from pcd.sim.trouble import AFTER, Happening, Throttling, Trouble, Troublemaker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp.typedefs import Handler, Middleware

    from pcd.clock import Clock
    from pcd.sim.trouble import TroubleRates


SWITCHES = "/_sim"
_PIECES = 10
_LOOK_EVERY = 0.05
_FORM = "application/x-www-form-urlencoded"


class Front:
    """Stands before a service's handlers as the middleware that `middleware` returns.

    *is_write* tells by method and path whether a request is meant to change something. Authorization
    headers are kept in the log only when *keeps_headers* is set, with all the others.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rates: TroubleRates | None = None,
        is_write: Callable[[str, str], bool],
        keeps_headers: bool = False,
    ) -> None:
        """Start with an empty log."""
        self.calls = CallLog()
        self.troubles = Troublemaker(rates)
        self._clock = clock
        self._is_write = is_write
        self._keeps_headers = keeps_headers

    def middleware(self) -> Middleware:
        """Return the middleware for the service's application."""

        @web.middleware
        async def pass_through(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(SWITCHES):
                return await _solved(request, handler)
            return await self._pass(request, handler)

        return pass_through

    async def _pass(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        call = await self._logged(request)
        found = self.troubles.next(method=request.method, path=request.path, is_write=call.is_write)
        if found is not None:
            call.trouble = found.trouble.value
            early = await _before(request, found)
            if early is not None:
                return _told(call, early)
        response = await _solved(request, handler)
        call.committed = call.is_write and response.status < 400
        return _told(call, await _after(request, response, found) if found else response)

    async def _logged(self, request: web.Request) -> Call:
        call = Call(
            number=self.calls.total + 1,
            at=self._clock.now(),
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers=dict(request.headers) if self._keeps_headers else {},
            body=await _body(request),
            is_write=self._is_write(request.method, request.path),
        )
        self.calls.add(call)
        return call


async def _body(request: web.Request) -> Any:  # noqa: ANN401 - whatever was sent
    raw = await request.read()
    if not raw:
        return None
    if request.content_type == _FORM:
        return {name: str(value) for name, value in (await request.post()).items()}
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw.decode(errors="replace")


async def _solved(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Return the handler's answer, a raised `Problem` turned into the answer it stands for."""
    try:
        return await handler(request)
    except Problem as found:
        return answered(found)
    except web.HTTPException as found:
        return web.Response(status=found.status, text=found.text)


def answered(problem: Problem) -> web.Response:
    """Return the answer that *problem* stands for."""
    return web.Response(
        status=problem.status,
        body=problem.body,
        content_type=problem.content_type,
        headers=problem.headers,
    )


def _told(call: Call, response: web.StreamResponse) -> web.StreamResponse:
    """Record what the caller was told, unless the connection broke."""
    call.status = 0 if isinstance(response, Silence) else response.status
    return response


class Silence(web.Response):
    """An answer that never arrives: the connection is gone."""


async def _before(request: web.Request, found: Happening) -> web.StreamResponse | None:
    match found.trouble:
        case Trouble.RATE_LIMITED:
            return answered(throttled(found.throttling, seconds=int(found.seconds)))
        case Trouble.SERVER_ERROR:
            return answered(server_error(found.status))
        case Trouble.RESET:
            return _reset(request)
        case Trouble.HANG:
            return await _hung(request, found.seconds)
        case _:
            return None


async def _after(request: web.Request, response: web.StreamResponse, found: Happening) -> web.StreamResponse:
    """Return what the caller gets instead of, or as, the *response* to a request that was carried out."""
    if response.status >= 400 and found.trouble in AFTER:
        return response
    match found.trouble:
        case Trouble.SERVER_ERROR_AFTER:
            response = answered(server_error(found.status))
        case Trouble.RESET_AFTER:
            response = _reset(request)
        case Trouble.HANG_AFTER:
            response = await _hung(request, found.seconds)
        case Trouble.REFUSED_AFTER:
            response = answered(refused_after())
        case Trouble.SLOW_ANSWER:
            await anyio.sleep(found.seconds)
        case Trouble.SLOW_BODY:
            response = await _dripped(request, response, found.seconds)
        case Trouble.RATE_LIMITED | Trouble.SERVER_ERROR | Trouble.RESET | Trouble.HANG:
            raise AssertionError("these end a request before it is carried out")
        case _:
            assert_never(found.trouble)
    return response


def throttled(form: Throttling, *, seconds: int) -> Problem:
    """Return a 429 in the given *form*."""
    has_header = form in (Throttling.JSON_HEADER, Throttling.TEXT_HEADER)
    headers = {"Retry-After": str(seconds)} if has_header else {}
    if form in (Throttling.JSON, Throttling.JSON_HEADER):
        body = orjson.dumps({"statusCode": 429, "message": "Too Many Requests"})
        return Problem(429, body, headers=headers)
    return Problem(429, b"error code: 1015", content_type="text/plain", headers=headers)


def refused_after() -> Problem:
    """Return a 422 that lies: the request it refuses was carried out."""
    body = {
        "statusCode": 422,
        "message": ["the request could not be processed"],
        "error": "Unprocessable Entity",
    }
    return Problem(422, orjson.dumps(body))


def _reset(request: web.Request) -> Silence:
    if request.transport is not None:
        request.transport.abort()
    return Silence(status=500)


async def _hung(request: web.Request, seconds: float) -> Silence:
    """Say nothing for *seconds*, or until the caller has gone."""
    with anyio.move_on_after(seconds):
        # aiohttp tells nobody that the caller has gone.
        while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
            await anyio.sleep(_LOOK_EVERY)
    return _reset(request)


async def _dripped(request: web.Request, response: web.StreamResponse, seconds: float) -> web.StreamResponse:
    """Send the answer in pieces over *seconds*."""
    body = response.body if isinstance(response, web.Response) else b""
    content = body if isinstance(body, bytes) else b""
    headers = {name: value for name, value in response.headers.items() if name != "Content-Length"}
    dripping = web.StreamResponse(status=response.status, headers=headers)
    dripping.content_length = len(content)
    await dripping.prepare(request)
    size = max(1, -(-len(content) // _PIECES))
    for start in range(0, len(content), size):
        await anyio.sleep(seconds / _PIECES)
        try:
            await dripping.write(content[start : start + size])
        except ConnectionResetError:
            break
    return dripping


@asynccontextmanager
async def hosted(app: web.Application, *, port: int = 0) -> AsyncIterator[str]:
    """Serve *app* on the loopback interface and yield its URL; 0 means any free port.

    Raises OSError when *port* is taken.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
