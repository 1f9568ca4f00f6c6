"""Lengths of time as people write them: ``"500ms"``, ``"30s"``, ``"1h30m"``, ``"PT30S"``."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

_MICROSECONDS = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
}
_NUMBER = r"([0-9]{1,15}(?:\.[0-9]{1,9})?)"
_PLAIN = re.compile(" ?".join(rf"(?:{_NUMBER}{unit})?" for unit in _MICROSECONDS))
_ISO = re.compile(
    rf"P(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?=[0-9])(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?"
)
_BARE = re.compile(r"[0-9]+(\.[0-9]+)?")

EXPECTED = 'a duration such as "500ms", "30s", "5m", "2h", "7d" or "1h30m"'


def parse(text: str) -> timedelta:
    """Return the length of time that *text* says.

    Units go from the longest to the shortest, each at most once: w, d, h, m, s, ms; decimals are
    allowed. ISO 8601 is understood as far as its units have a fixed length. A bare number is refused,
    because nothing tells whether seconds or milliseconds are meant. Raises ValueError whose text says
    what was expected.
    """
    text = text.strip()
    if _BARE.fullmatch(text):
        message = f'a duration with its unit, such as "{text}s" or "{text}ms"'
        raise ValueError(message)
    found = _PLAIN.fullmatch(text) or _ISO.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ValueError(EXPECTED)
    total = sum(
        Decimal(number) * scale
        for number, scale in zip(found.groups(), _MICROSECONDS.values(), strict=False)
        if number
    )
    if total != int(total):
        raise ValueError("a duration of whole microseconds")
    try:
        return timedelta(microseconds=int(total))
    except OverflowError:
        raise ValueError("a duration of at most 999999999d") from None


def write(duration: timedelta) -> str:
    """Return *duration* (zero or more) as `parse` reads it: ``"1h30m"``; zero is ``"0s"``."""
    left = duration // timedelta(microseconds=1)
    parts = []
    for unit, scale in _MICROSECONDS.items():
        if unit == "w":
            continue
        if unit == "ms":
            count = f"{Decimal(left) / scale:f}" if left else ""
        else:
            whole, left = divmod(left, scale)
            count = str(whole) if whole else ""
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
