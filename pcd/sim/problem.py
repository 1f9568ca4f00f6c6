"""The error bodies of the API, of its gateway and of the authorisation server."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, assert_never

import orjson

from pcd.sim.settings import Throttle

if TYPE_CHECKING:
    from collections.abc import Mapping

_TITLES = {
    400: "One or more validation errors occurred.",
    403: "Provided authentication is insufficient to grant access.",
    404: "Not found.",
    409: "The service is suspended for maintenance. Please try again later.",
}


class Problem(Exception):
    """An answer that is not the one asked for."""

    def __init__(
        self,
        status: int,
        body: bytes,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers or {}


def api_error(status: int, *, title: str = "", **errors: str) -> Problem:
    """Return an ApiErrorResponse: RFC 7807 with all six members; *errors* name the parameters."""
    body = {
        "type": f"https://httpstatuses.com/{status}",
        "title": title or _TITLES.get(status, "Error"),
        "status": status,
        "traceId": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00",
        "errors": {name: [text] for name, text in errors.items()},
        "data": {},
    }
    return Problem(status, orjson.dumps(body))


def gateway_error(status: int, message: str) -> Problem:
    """Return an error of the gateway in front of the API; these bodies are undocumented."""
    return Problem(status, orjson.dumps({"statusCode": status, "message": message}))


def oauth_error(error: str) -> Problem:
    """Return an error of the token endpoint."""
    return Problem(400, orjson.dumps({"error": error}))


def server_error(status: int) -> Problem:
    """Return a server error as it comes from a proxy: a page for people."""
    page = f"<html><head><title>{status}</title></head><body><h1>{status} Server Error</h1></body></html>"
    return Problem(status, page.encode(), content_type="text/html")


def throttled(form: Throttle, *, seconds: int) -> Problem:
    """Return a 429 that asks to wait *seconds* in the given *form*."""
    title = f"Rate limit is exceeded. Try again in {seconds} seconds."
    match form:
        case Throttle.HEADER:
            found = api_error(429, title="Rate limit is exceeded.")
            return Problem(429, found.body, headers={"Retry-After": str(seconds)})
        case Throttle.TITLE:
            return api_error(429, title=title)
        case Throttle.NONE:
            return api_error(429, title="Too many requests.")
        case Throttle.GATEWAY:
            return gateway_error(429, title)
        case _:
            assert_never(form)
