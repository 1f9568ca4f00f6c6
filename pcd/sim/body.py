"""The bodies of requests to the simulators' switches, and of answers."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that was sent; raises HTTPBadRequest when it is none."""
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="expected a JSON object")
    return body


def json_answer(value: object, *, status: int = 200) -> web.Response:
    """Return *value* as an answer."""
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
