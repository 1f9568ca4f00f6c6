"""Exchanges one HTTP request for one answer: the only place where aiohttp's errors are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp

from pcd.errors import Malformed, Rejected, Unavailable, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BODY_BYTES = 256 * 2**20
"""The largest body that is read, after decompression. 5,000 jobs with all their fields are about 20 MB."""

_CONNECT_SECONDS = 20
_READ_BUFFER_BYTES = 2**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request to *service*. *what* names it in errors; the body is a *form*, or *body* as it is."""

    service: str
    method: str = "GET"
    url: str
    what: str
    headers: Mapping[str, str]
    params: Mapping[str, str] | None = None
    form: Mapping[str, str] | None = None
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status, with its whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def open_session(
    *, at_once: int = 16, keep_alive: timedelta = timedelta(seconds=75)
) -> aiohttp.ClientSession:
    """Return a session for `fetch`, to be closed by the caller: no cookies, *at_once* connections.

    An idle connection is used again for as long as *keep_alive*.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=at_once, ttl_dns_cache=60, keepalive_timeout=keep_alive.total_seconds()
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "application/json", "User-Agent": "pcd"},
        middlewares=(_once,),
        read_bufsize=_READ_BUFFER_BYTES,
    )


async def fetch(
    session: aiohttp.ClientSession,
    call: Call,
    *,
    within: timedelta,
    max_bytes: int = MAX_BODY_BYTES,
) -> Response:
    """Return the complete answer to *call*, whatever its status, *within* that time.

    Redirects are not followed: the credentials would go along to wherever they lead. Raises
    Unreachable when nothing was sent, Unavailable when no complete answer came in that time, and
    Malformed when it is larger than *max_bytes*. Only a GET whose connection turns out to be closed is
    sent once more, on a new one.
    """
    limits = aiohttp.ClientTimeout(total=within.total_seconds(), sock_connect=_CONNECT_SECONDS)
    try:
        async with session.request(
            call.method,
            call.url,
            headers=call.headers,
            params=call.params,
            data=call.form if call.body is None else call.body,
            timeout=limits,
            allow_redirects=False,
        ) as response:
            body = await _read(response, call, max_bytes)
            return Response(response.status, response.headers, body)
    except aiohttp.InvalidURL as error:
        raise Rejected(f"{call.what}: {call.url!r} is no address", service=call.service) from error
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise Unreachable(f"{call.what}: {_reason(error)}", service=call.service) from error
    except TimeoutError as error:
        text = f"{call.what}: no complete answer within {within.total_seconds():g} s"
        raise Unavailable(text, service=call.service) from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable(f"{call.what}: {_reason(error)}", service=call.service) from error


class _Lost(aiohttp.ClientError):
    """The connection was lost under a request that may have arrived."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT or a DELETE again, which it does where it would not send a POST."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method == "GET":
            raise
        raise _Lost from error


async def _read(response: aiohttp.ClientResponse, call: Call, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            response.close()
            text = f"{call.what}: the answer is larger than {max_bytes} bytes"
            raise Malformed(text, service=call.service)
        chunks.append(chunk)
    return b"".join(chunks)


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorError():
            return f"cannot reach {error.host}:{error.port} ({error.os_error})"
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError() | _Lost():
            return "the connection was closed before the answer"
        case _:
            return f"{type(error).__name__} {str(error)[:200]}".strip()
