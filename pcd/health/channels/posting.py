"""Posts JSON to somebody else's address, within bounds, and says what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pcd.errors import RateLimited, Rejected, Unauthorized, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 15.0
_MOST_READ = 4096


async def post(url: str, body: Mapping[str, Any], *, service: str, headers: Mapping[str, str]) -> None:
    """Post *body* as JSON; redirects are not followed, for a token travels with it.

    Raises Unauthorized, RateLimited, Rejected or Unavailable. Their texts do not hold the address, which may
    be the secret itself, nor the answer.
    """
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session,
            session.post(
                url,
                data=msgspec.json.encode(body),
                headers={"Content-Type": "application/json", **headers},
                allow_redirects=False,
            ) as response,
        ):
            await response.content.read(_MOST_READ)
            status, retry_after = response.status, response.headers.get("Retry-After", "")
    except TimeoutError:
        raise Unavailable(f"no answer within {_SECONDS:g} s", service=service) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Unavailable(f"cannot be reached ({type(error).__name__})", service=service) from None
    _refuse(status, retry_after, service=service)


def _refuse(status: int, retry_after: str, *, service: str) -> None:
    if status < 300:
        return
    if status in {401, 403}:
        raise Unauthorized(f"refuses us ({status}); look at its address and token", service=service)
    if status == 429:
        seconds = float(retry_after) if retry_after.isdigit() else None
        raise RateLimited("wants fewer messages (429)", service=service, retry_after=seconds)
    if status >= 500 or status == 408:
        raise Unavailable(f"answers with status {status}", service=service)
    raise Rejected(f"answers with status {status}", service=service, status=status)
