"""Asks Claude: the only place where the anthropic package and its errors are known."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread

from pcd.actions.agent_tools import Use
from pcd.errors import NoAnswer, RateLimited, Rejected, Unauthorized, Unavailable, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcd.config import AiConfig

SERVICE: Final = "Anthropic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The model's answer. *content* is it as it came, *stop_reason* why it ended there."""

    uses: tuple[Use, ...]
    content: list[dict[str, Any]]
    stop_reason: str
    input_tokens: int
    output_tokens: int


class Asker:
    """Claude under one configuration; the package is loaded at the first question."""

    def __init__(self, settings: AiConfig) -> None:
        self._settings = settings

    @property
    def is_possible(self) -> bool:
        """Whether there is a key."""
        return bool(self._settings.api_key)

    @property
    def model(self) -> str:
        """Who is asked."""
        return self._settings.model

    async def ask(
        self,
        *,
        system: str,
        messages: Sequence[dict[str, Any]],
        tools: Sequence[dict[str, Any]],
        max_tokens: int,
        seconds: float,
    ) -> Reply:
        """Return the answer to one question, asked once.

        Raises Unauthorized, RateLimited, Rejected, NoAnswer when there was none within *seconds*, and
        Unavailable for everything that may pass.

        Source: https://docs.anthropic.com/en/api/messages
        """
        # It takes seconds: a thread keeps the loop going meanwhile.
        anthropic = await anyio.to_thread.run_sync(importlib.import_module, "anthropic")
        settings = self._settings
        try:
            async with anthropic.AsyncAnthropic(
                api_key=settings.api_key.reveal(),
                base_url=settings.base_url,
                max_retries=0,
                timeout=seconds,
            ) as client:
                message = await client.messages.create(
                    model=settings.model,
                    max_tokens=max_tokens,
                    system=system,
                    messages=list(messages),
                    tools=list(tools),
                    tool_choice={"type": "any"},
                )
        except anthropic.APIError as error:
            raise _translated(anthropic, error) from error
        return _reply(message)


def _reply(message: Any) -> Reply:  # noqa: ANN401 - the package's own class, loaded late
    content = [block.model_dump(mode="json", exclude_none=True) for block in message.content]
    return Reply(
        uses=tuple(
            Use(block["name"], block["input"]) for block in content if block.get("type") == "tool_use"
        ),
        content=content,
        stop_reason=message.stop_reason or "",
        input_tokens=message.usage.input_tokens,
        output_tokens=message.usage.output_tokens,
    )


def _translated(anthropic: Any, error: Any) -> UpstreamError:  # noqa: ANN401 - the package, loaded late
    status = getattr(error, "status_code", None)
    if isinstance(error, anthropic.APITimeoutError):
        return NoAnswer("the model gave no answer in time", service=SERVICE)
    if status in {401, 403}:
        return Unauthorized("ai.api_key was refused", service=SERVICE)
    if status == 429:
        retry_after = error.response.headers.get("retry-after", "")
        seconds = float(retry_after) if retry_after.isdecimal() else None
        return RateLimited("too many questions", service=SERVICE, retry_after=seconds)
    if isinstance(status, int) and 400 <= status < 500:
        return Rejected(
            f"the question was refused ({status})", service=SERVICE, status=status, body=str(error)
        )
    return Unavailable(
        f"the model cannot be asked ({type(error).__name__} {status or ''})".strip(), service=SERVICE
    )
