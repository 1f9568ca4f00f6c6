"""What the headers of an answer say about how much we may still ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The allowance of an interval (*interval* in seconds) and of the day; None where nothing was said.

    There is no header for when either of them begins anew.

    Source: "Rate Limits", marketplace.gohighlevel.com, read 2026-11-23.
    """

    most: int | None = None
    remaining: int | None = None
    interval: float | None = None
    daily_most: int | None = None
    daily_remaining: int | None = None


def limits_of(headers: Mapping[str, str]) -> Limits:
    """Return what *headers* say; names are compared without case, what is no number is passed over."""
    known = {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-rate")}
    milliseconds = _count(known.get("x-ratelimit-interval-milliseconds"))
    return Limits(
        most=_count(known.get("x-ratelimit-max")),
        remaining=_count(known.get("x-ratelimit-remaining")),
        interval=milliseconds / 1000 if milliseconds else None,
        daily_most=_count(known.get("x-ratelimit-limit-daily")),
        daily_remaining=_count(known.get("x-ratelimit-daily-remaining")),
    )


def _count(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None
