"""What a command can ask about the daemon's health, its log and its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import anyio
import msgspec

from pcd.errors import ControlError
from pcd.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pcd.control.server import Method, Tell

_LEVELS = ("debug", "info", "warning", "error", "critical")
_LOOK_EVERY = 0.25
_AT_ONCE = 100
_SIGN_OF_LIFE = 5.0


class Watch(Protocol):
    """What knows how the daemon is."""

    async def health(self) -> dict[str, Any]:
        """Return how everything is, measured within the last seconds."""


class _LogParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    last: int = 100
    level: str = "debug"
    follow: bool = False


class _LevelParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: str


class WellbeingMethods:
    """The daemon's answers: ``health``, ``logs.read``, ``logs.level``, ``reload``."""

    def __init__(self, watch: Watch | None, *, reload: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._watch = watch
        self._reload = reload

    def table(self) -> dict[str, Method]:
        """Return each method by its name."""
        return {
            "health": self.health,
            "logs.read": self.read_log,
            "logs.level": self.set_level,
            "reload": self.reload,
        }

    async def health(self, _params: dict[str, Any], _tell: Tell) -> object:
        """Measure and judge everything, and return the verdicts."""
        if self._watch is None:
            raise ControlError("the daemon runs without its watch (--only)", code="closed")
        return await self._watch.health()

    async def read_log(self, params: dict[str, Any], tell: Tell) -> object:
        """Return the last lines of the log; *follow* tells them and those to come."""
        asked = _read(params, _LogParams)
        _check_level(asked.level)
        if asked.last < 0:
            raise ControlError("bad parameters: last is below 0", code="bad_params")
        kept = log.ring()
        if kept is None:
            raise ControlError("this daemon keeps no log", code="closed")
        seen = kept.newest
        lines = kept.lines(asked.last, level=asked.level)
        if not asked.follow:
            return {"lines": _fitting(lines)}
        tell.stay()
        quiet = 0.0
        while True:
            for start in range(0, len(lines), _AT_ONCE):
                await tell({"lines": lines[start : start + _AT_ONCE]})
            if not lines and quiet >= _SIGN_OF_LIFE:
                # Nobody notices that a client has gone but by writing to it.
                await tell({"lines": []})
            quiet = 0.0 if lines or quiet >= _SIGN_OF_LIFE else quiet + _LOOK_EVERY
            await anyio.sleep(_LOOK_EVERY)
            before, seen = seen, kept.newest
            lines = kept.lines(level=asked.level, after=before)

    async def set_level(self, params: dict[str, Any], _tell: Tell) -> object:
        """Log from another level on, until the daemon is restarted or reloaded."""
        level = _read(params, _LevelParams).level.lower()
        _check_level(level)
        return {"level": level, "before": log.set_level(level)}

    async def reload(self, _params: dict[str, Any], _tell: Tell) -> object:
        """Read the configuration again and apply what can be applied while running."""
        return await self._reload()


def _check_level(level: str) -> None:
    if level not in _LEVELS:
        raise ControlError(f"there is no level {level!r}; there are: {', '.join(_LEVELS)}", code="bad_params")


def _fitting(lines: list[log.Line]) -> list[log.Line]:
    """Return the newest of *lines* that fit into one answer."""
    room, found = 900_000, 0
    for line in reversed(lines):
        room -= len(msgspec.json.encode(line)) + 1
        if room < 0:
            break
        found += 1
    return lines[len(lines) - found :]


def _read(params: dict[str, Any], kind: type[Any]) -> Any:  # noqa: ANN401 - a *kind*
    try:
        return msgspec.convert(params, kind)
    except msgspec.ValidationError as error:
        raise ControlError(f"bad parameters: {error}", code="bad_params") from error
