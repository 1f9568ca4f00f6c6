"""Text without the secrets that slipped into it: the last line of defence, not the first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"
_SHORTEST = 6
# The shapes of ServiceTitan's client ids and secrets and app keys, GoHighLevel's private tokens, bearer
# tokens, and JSON Web Tokens.
_SHAPES = re.compile(
    r"\b(?:cid|cs\d|ak\d)\.[A-Za-z0-9_\-.]{6,}"
    r"|(?<=\bbearer )[^\s\"',;]+"
    r"|\bpit-[A-Za-z0-9\-]{6,}"
    r"|\beyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]+){1,2}",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.\-]*://[^\s:/@]*:)[^\s]+(?=@)", re.IGNORECASE)


def redact(text: str, *, secrets: Iterable[str] = ()) -> str:
    """Return *text* with every one of *secrets*, and whatever looks like one, replaced by ``***``.

    Secrets shorter than six characters are left alone: they would blot out ordinary words.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK)
    text = _SHAPES.sub(MASK, text)
    return _URL_PASSWORD.sub(rf"\g<1>{MASK}", text)
