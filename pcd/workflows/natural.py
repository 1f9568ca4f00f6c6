"""Understand an instruction that already says all there is to do. Pure, and never a guess.

``Send SMS to customer: 'Hi {customer.name}, ...'`` is a message word for word. Anything else is left to
whoever can read.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

# Possessive throughout: an instruction full of blanks must not be tried in every way.
_SEND = re.compile(
    r"""\s*+(?:please\s++)?(?:send|text|e-?mail)?\s*+(?:an?\s++|the\s++)?
    (?P<what>sms|text(?:\s++message)?|e-?mail)(?:\s++message)?
    (?:\s++to)?\s++(?:the\s++)?customer
    (?:\s*+,?\s*+(?:with\s++)?(?:the\s++)?subject:?\s*+(?P<mark>['"])(?P<subject>[^'"]{1,300})(?P=mark))?
    \s*+(?:,?\s*+(?:saying|and\s++(?:the\s++)?(?:text|body|message)|with\s++(?:the\s++)?(?:text|body|message)))?
    \s*+:?\s*+(?P<text>\S.*)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_QUOTES = {"'": "'", '"': '"', "\u2018": "\u2019", "\u201c": "\u201d"}
_APOSTROPHE = re.compile(r"(?<=\w)['\u2019](?=\w)")
_LONGEST = 20_000


class Understood(NamedTuple):
    """An action and what it must be told."""

    action: str
    parameters: dict[str, Any]


def understand(instruction: str) -> Understood | None:
    """Return the action that *instruction* names with its whole text, None where it leaves any open."""
    if len(instruction) > _LONGEST:
        return None
    found = _SEND.fullmatch(instruction)
    text = _quoted(found["text"]) if found else None
    if found is None or text is None:
        return None
    if found["what"].lower().startswith("e"):
        return Understood("send_email", {"subject": found["subject"] or "{business.name}", "text": text})
    return None if found["subject"] else Understood("send_sms", {"text": text})


def leave_open(instruction: str) -> Understood:
    """Return the action that has an agent carry out *instruction*, with no more than it speaks of."""
    lower = instruction.lower()
    allow = [
        action
        for action, words in (
            ("send_sms", ("sms", "text")),
            ("send_email", ("email", "e-mail")),
            ("add_note", ("note",)),
            ("add_tags", ("tag",)),
            ("create_task", ("task",)),
        )
        if any(re.search(rf"\b{word}", lower) for word in words)
    ]
    return Understood("ask_agent", {"instruction": instruction, **({"allow": allow} if allow else {})})


def _quoted(text: str) -> str | None:
    """Return what stands between the quotes that *text* begins and ends with, None where it does not."""
    stripped = text.strip()
    if stripped.endswith("."):
        stripped = stripped[:-1].rstrip() if stripped[:-1].rstrip()[-1:] in _QUOTES.values() else stripped
    closing = _QUOTES.get(stripped[:1])
    if closing is None or len(stripped) < 3 or not stripped.endswith(closing):
        return None
    inner = stripped[1:-1].strip()
    # A quote inside may end one text and begin another; only an apostrophe does not.
    is_one = closing not in (_APOSTROPHE.sub("", inner) if closing in "'\u2019" else inner)
    return inner if inner and is_one else None
