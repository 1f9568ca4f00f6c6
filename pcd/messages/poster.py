"""Posts one request to a web service and tells by the answer whether it was taken."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pcd.errors import (
    Forbidden,
    NoAnswer,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
    UpstreamError,
)

if TYPE_CHECKING:
    from pcd.fetcher import Call, Response

LARGEST_ANSWER = 256 * 2**10
"""More of an answer than this is read by nobody."""

_WITHIN = timedelta(seconds=60)


async def post(call: Call, *, within: timedelta = _WITHIN) -> Response:
    """Return the answer to a request that was taken (2xx).

    It is sent once. Raises Unreachable when nothing was sent; RateLimited, Unauthorized, Forbidden or
    Rejected when it certainly was not taken; NoAnswer when that is not known, a 5xx included; Malformed
    for an answer larger than LARGEST_ANSWER, of a request that may have been taken.
    """
    from pcd.fetcher import fetch, open_session

    async with open_session(at_once=1) as session:
        try:
            response = await fetch(session, call, within=within, max_bytes=LARGEST_ANSWER)
        except Unreachable:
            raise
        except Unavailable as error:
            raise NoAnswer(str(error), service=call.service) from error
    if 200 <= response.status < 300:
        return response
    raise refusal(call, response)


def refusal(call: Call, response: Response) -> UpstreamError:
    """Return the error that an answer other than 2xx means."""
    what, service, status = (
        f"{call.what}: {call.service} answered {response.status}",
        call.service,
        response.status,
    )
    match status:
        case 429:
            return RateLimited(
                what, service=service, retry_after=_seconds(response.headers.get("Retry-After"))
            )
        case 401:
            return Unauthorized(f"{what}; look at its credentials", service=service)
        case 403:
            return Forbidden(f"{what}; look at its credentials and rights", service=service)
        case _ if 300 <= status < 500:
            body = response.body.decode(errors="replace")
            return Rejected(what, service=service, status=status, body=body)
        case _:
            return NoAnswer(what, service=service)


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdecimal() else None
