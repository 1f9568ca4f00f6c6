"""What a single value must be, beyond its type. Each rule returns the value to keep or raises ValueError.

The text of the ValueError says what was expected; it never repeats the value.
"""

from __future__ import annotations

import math
import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pcd.config import urls

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.config.secret import Url

_LEVELS = {"trace": "debug", "warn": "warning", "fatal": "critical"}
_LEVEL_NAMES = ("debug", "info", "warning", "error", "critical")
_CLOCK_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement on a value, attached to a key by `typing.Annotated`.

    *takes_int* lets TOML's 1234 stand for the string "1234".
    """

    apply: Callable[[Any], Any]
    takes_int: bool = False


def schemes(*names: str) -> Rule:
    """Accept URLs of these schemes whose host and port can be read, and the empty URL."""

    def apply(url: Url) -> Url:
        text = url.reveal()
        if text and urls.scheme_of(text) not in names:
            raise ValueError(" or ".join(f"{name}://..." for name in names))
        if text and not urls.has_readable_hosts(text):
            raise ValueError(f"{names[0]}://user:password@host:port/... with a port up to 65535")
        return url

    return Rule(apply)


def between(low: int, high: int) -> Rule:
    """Accept whole numbers from *low* to *high*, both included."""

    def apply(number: int) -> int:
        if not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    return Rule(apply)


def choice(*names: str) -> Rule:
    """Accept exactly these words."""

    def apply(word: str) -> str:
        if word not in names:
            raise ValueError(" or ".join(f'"{name}"' for name in names))
        return word

    return Rule(apply)


def _some_time(duration: timedelta) -> timedelta:
    if duration <= timedelta():
        raise ValueError("a duration of more than zero")
    return duration


def _above_zero(number: float) -> float:
    if not 0 < number < math.inf:
        raise ValueError("a number above zero")
    return number


def _log_level(name: str) -> str:
    lowered = _LEVELS.get(name.lower(), name.lower())
    if lowered not in _LEVEL_NAMES:
        raise ValueError(" or ".join(f'"{level}"' for level in _LEVEL_NAMES))
    return lowered


def _timezone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError('the name of a time zone, such as "America/New_York"') from None
    return name


def _cron(line: str) -> str:
    from cronsim import CronSim, CronSimError

    expected = 'five cron fields (minute hour day month weekday), such as "*/5 * * * *"'
    if len(line.split()) != 5:
        raise ValueError(expected)
    try:
        CronSim(line, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError:
        raise ValueError(expected) from None
    return line


def _digits(text: str) -> str:
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError("digits only")
    return text


def _quiet_hours(text: str) -> str:
    if text and not re.fullmatch(rf"{_CLOCK_TIME}-{_CLOCK_TIME}", text):
        raise ValueError('"HH:MM-HH:MM", such as "21:00-08:00", or "" for none')
    return text


def _clock_time(text: str) -> str:
    if text and not re.fullmatch(_CLOCK_TIME, text):
        raise ValueError('"HH:MM", such as "07:30", or "" for never')
    return text


def _web_address(text: str) -> str:
    expected = "http://host or https://host, without credentials"
    try:
        address = urlsplit(text)
        is_usable = bool(address.hostname) and address.username is None and address.port != 0
    except ValueError:
        raise ValueError(expected) from None
    if address.scheme not in {"http", "https"} or not is_usable:
        raise ValueError(expected)
    return text.rstrip("/")


ABOVE_ZERO = Rule(_above_zero)
CLOCK_TIME = Rule(_clock_time)
CRON = Rule(_cron)
DIGITS = Rule(_digits, takes_int=True)
LOG_LEVEL = Rule(_log_level)
QUIET_HOURS = Rule(_quiet_hours)
SOME_TIME = Rule(_some_time)
TIMEZONE = Rule(_timezone)
WEB_ADDRESS = Rule(_web_address)
