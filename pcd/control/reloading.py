"""Reads the configuration again while the daemon runs, and says what needs a restart."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from pcd.config import load
from pcd.config.listing import value_of
from pcd.config.schema import KEYS
from pcd.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.config import Config

AT_ONCE = (
    "daemon.log_level",
    "health.interval",
    "health.sync_stalled_after",
    "health.workflow_stalled_after",
    "health.remedies",
    "ai.api_key",
    "ai.base_url",
    "ai.model",
    "ai.diagnoses_per_day",
)
"""The keys that take effect while the daemon runs."""


class Reloader:
    """Compares the configuration with the one in force; *apply* is told the new one."""

    def __init__(self, config: Config, *, apply: Callable[[Config], None]) -> None:
        self._config = config
        self._apply = apply

    async def reload(self) -> dict[str, Any]:
        """Apply what can be applied, and return the names of changed keys: what was applied, what waits.

        Raises ConfigError, and changes nothing, when the configuration is wrong by now.
        """
        fresh = await anyio.to_thread.run_sync(load, self._config.source, os.environ)
        changed = [key for key in KEYS if value_of(fresh, key) != value_of(self._config, key)]
        if "daemon.log_level" in changed:
            log.set_level(fresh.daemon.log_level)
        applied = [key for key in changed if key in AT_ONCE]
        self._config = self._merged(fresh, applied)
        self._apply(self._config)
        return {"applied": applied, "needs_restart": [key for key in changed if key not in AT_ONCE]}

    def _merged(self, fresh: Config, applied: list[str]) -> Config:
        """Return the configuration that is in force: ours, with the *applied* keys from *fresh*."""
        config = self._config
        for key in applied:
            section, _, leaf = key.rpartition(".")
            part = msgspec.structs.replace(getattr(config, section), **{leaf: value_of(fresh, key)})
            config = msgspec.structs.replace(config, **{section: part})
        return config
