"""A simulated Messages API of Anthropic: it answers what a test has written down for it.

Source: the package anthropic 2.12.0, what it sends and understands: the credential as a bearer token
(as ``x-api-key`` in older ones), the version header, forced tools, error bodies, 529 when overloaded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from pcd.sim.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the model says to one request: *content* blocks, or an error where *status* is not 200."""

    content: tuple[Mapping[str, Any], ...] = ()
    stop_reason: str = "end_turn"
    status: int = 200


def says(text: str) -> Line:
    """Return the answer that is nothing but *text*."""
    return Line(content=({"type": "text", "text": text},))


def uses(tool: str, arguments: Mapping[str, Any]) -> Line:
    """Return the answer that calls *tool*."""
    block = {"type": "tool_use", "id": "toolu_0000000001", "name": tool, "input": dict(arguments)}
    return Line(content=(block,), stop_reason="tool_use")


def refuses() -> Line:
    """Return the answer that declines."""
    return Line(stop_reason="refusal")


def fails(status: int) -> Line:
    """Return the error of this *status*."""
    return Line(status=status)


class Assistant:
    """Answers with the lines of `script` in turn, then by `improvise` (529 unless set).

    Every request that was well formed is in `heard`, as it was sent.
    """

    def __init__(self, *, api_key: str) -> None:
        """Accept *api_key* alone; nothing is scripted yet."""
        self.script: deque[Line] = deque()
        self.heard: list[dict[str, Any]] = []
        self.improvise: Callable[[dict[str, Any]], Line] = lambda _: fails(529)
        self._api_key = api_key

    async def answer(self, request: web.Request) -> web.Response:
        """Answer ``POST /v1/messages``."""
        body = await self._checked(request)
        self.heard.append(body)
        line = self.script.popleft() if self.script else self.improvise(body)
        if line.status != 200:
            raise _problem(line.status, "as the script says")
        message = {
            "id": f"msg_{len(self.heard):010d}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": list(line.content),
            "stop_reason": line.stop_reason,
            "stop_sequence": None,
            "usage": {"input_tokens": len(orjson.dumps(body)) // 4, "output_tokens": 20},
        }
        return web.Response(body=orjson.dumps(message), content_type="application/json")

    async def _checked(self, request: web.Request) -> dict[str, Any]:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._api_key not in (bearer, request.headers.get("x-api-key", "")):
            raise _problem(401, "invalid x-api-key")
        if not request.headers.get("anthropic-version"):
            raise _problem(400, "anthropic-version: header is required")
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            raise _problem(400, "The request body is not valid JSON") from None
        wrong = _wrong(body)
        if wrong:
            raise _problem(400, wrong)
        found: dict[str, Any] = body
        return found


def _wrong(body: Any) -> str:  # noqa: ANN401 - JSON
    """Return what is wrong with a request, ``""`` for nothing."""
    match body:
        case {"model": str(), "max_tokens": int() as tokens, "messages": [{"role": "user"}, *_]} if (
            tokens > 0
        ):
            names = [tool.get("name") for tool in body.get("tools", [])]
            lacking = [tool.get("name") for tool in body.get("tools", []) if "input_schema" not in tool]
            if lacking:
                return f"tools: {lacking[0]}: input_schema: Field required"
            choice = body.get("tool_choice") or {}
            if choice.get("type") == "tool" and choice.get("name") not in names:
                return f"tool_choice: Tool '{choice.get('name')}' not found in provided tools"
            return ""
        case _:
            return "model, max_tokens and messages (the first one the user's): Field required"


def _problem(status: int, message: str) -> Problem:
    error = {"type": _ERRORS.get(status, "api_error"), "message": message}
    return Problem(status, orjson.dumps({"type": "error", "error": error}))
