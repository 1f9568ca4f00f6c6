"""What a reply says about further messages."""

from __future__ import annotations

import re
from enum import Enum

_STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
_START = frozenset({"start", "unstop"})
_NOISE = re.compile(r"[^a-z]+")
_PHRASES = re.compile(
    r"\b(?:stop|quit)\s+(?:texting|messaging|contacting|calling|sending|all)\b"
    r"|\b(?:please|pls)\s+stop\W*$|^\W*stop\s+(?:please|pls)\b"
    r"|\b(?:do\s+not|don'?t)\s+(?:text|message|contact)\b"
    r"|\b(?:unsubscribe|opt\s+(?:me\s+)?out|remove\s+me)\b",
    re.IGNORECASE,
)


class Wish(Enum):
    """What the sender of a reply wants."""

    STOP = "stop"
    START = "start"


def classify(text: str) -> Wish | None:
    """Return what *text* wants of us, None where it says nothing about that.

    A whole reply of one of the carriers' keywords counts, whatever stands around its letters, and so
    does a plain sentence that asks to be left alone. "Yes" does not mean START: it answers questions.

    Source: https://help.twilio.com/articles/223134027 (the keywords of Twilio)
    """
    word = _NOISE.sub("", text.lower())
    if word in _STOP or _PHRASES.search(text):
        return Wish.STOP
    return Wish.START if word in _START else None
