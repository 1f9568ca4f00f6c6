"""Asks Claude what is wrong. Whatever goes wrong in asking is one log line, and no diagnosis."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio

from pcd.db import queries
from pcd.errors import StoreError
from pcd.health import diagnose

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.config.shape import AiConfig
    from pcd.db.pool import Database
    from pcd.health.diagnose import Diagnosis

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.health")
_WITHIN = timedelta(seconds=5)
_ANSWER = 20.0
_ALTOGETHER = 45.0
_TOKENS = 600


class Doctor:
    """Asks the model that *settings* name; without a key, or when the day's budget is used up, nobody."""

    def __init__(self, settings: Callable[[], AiConfig], *, db: Callable[[], Database]) -> None:
        self._settings = settings
        self._db = db

    async def ask(self, facts: str, *, services: tuple[str, ...]) -> Diagnosis | None:
        """Return the diagnosis for *facts*, None where there is none that can be believed."""
        settings = self._settings()
        if not settings.api_key or not settings.diagnoses_per_day:
            return None
        if not await self._may_ask(settings.diagnoses_per_day):
            return None
        answer: object = None
        with anyio.move_on_after(_ALTOGETHER) as patience:
            answer = await _ask(settings, facts, services)
        if patience.cancelled_caught:
            _log.warning("health: no diagnosis within %.0f s", _ALTOGETHER)
            return None
        if answer is None:
            return None
        diagnosis = diagnose.believe(answer, services=services)
        if diagnosis is None:
            _log.warning("health: the diagnosis is not usable")
        return diagnosis

    async def _may_ask(self, per_day: int) -> bool:
        """Count one question; without a database there is no count, and nothing is asked."""
        try:
            left = await self._db().fetchval(_SQL["count_diagnosis"], per_day, timeout=_WITHIN)
        except StoreError as error:
            _log.warning("health: no diagnosis: %s", error)
            return False
        if left is not None:
            return True
        _log.warning("health: no diagnosis: ai.diagnoses_per_day (%d) is used up", per_day)
        return False


async def _ask(settings: AiConfig, facts: str, services: tuple[str, ...]) -> object:
    """Return what the model puts into the tool, None where it does not use it.

    Source: Messages API of Anthropic, forced tools, and the package anthropic 2.12: its errors are
    AnthropicError, a truncated answer is a ValueError, the default timeout is ten minutes.
    """
    anthropic = await anyio.to_thread.run_sync(_load, abandon_on_cancel=True)
    client = anthropic.AsyncAnthropic(
        api_key=settings.api_key.reveal(), base_url=settings.base_url, max_retries=1, timeout=_ANSWER
    )
    try:
        answer = await client.messages.create(
            model=settings.model,
            max_tokens=_TOKENS,
            system=diagnose.SYSTEM,
            messages=[{"role": "user", "content": facts}],
            tools=[diagnose.tool(services)],
            tool_choice={"type": "tool", "name": diagnose.TOOL, "disable_parallel_tool_use": True},
        )
    except (anthropic.AnthropicError, ValueError, TypeError, OSError) as error:
        _log.warning("health: no diagnosis: Claude could not be asked (%s)", type(error).__name__)
        return None
    finally:
        with anyio.move_on_after(2, shield=True):
            await client.close()
    # The package hands on whatever came, also what is no message at all.
    stop_reason, content = getattr(answer, "stop_reason", None), getattr(answer, "content", None)
    if stop_reason != "tool_use" or not isinstance(content, list):
        _log.warning("health: no diagnosis: Claude ended with %s", stop_reason)
        return None
    return next((block.input for block in content if getattr(block, "type", "") == "tool_use"), None)


def _load() -> Any:  # noqa: ANN401 - a module
    # Seconds and 80 MB: only when there is something to ask, and not on the event loop.
    import anthropic

    return anthropic
