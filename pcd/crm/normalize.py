"""Bring names, phones and e-mails into the form in which they are compared and sent. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_NAME = 255
"""Of the names in our copy of GoHighLevel's contacts; what it takes itself is written nowhere."""
_LONGEST_EMAIL = 254
_EMAIL = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
_COUNTRIES: Mapping[str, str] = MappingProxyType(
    {"USA": "US", "UNITED STATES": "US", "UNITED STATES OF AMERICA": "US", "CAN": "CA", "CANADA": "CA"}
)
_COMMERCIAL = "Commercial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A number that can be called."""

    e164: str
    is_foreign: bool
    has_extension: bool


class Name(NamedTuple):
    """A name in one piece and in two; a company has no last name."""

    whole: str
    first: str
    last: str


def phone(text: str | None, country: str) -> Phone | None:
    """Return the number in *text*, read as of *country* unless it says its own; None if it is none.

    Source: the phonenumbers package, a port of Google's libphonenumber.
    """
    import phonenumbers

    try:
        found = phonenumbers.parse(text or "", country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(found):
        return None
    return Phone(
        e164=phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164),
        is_foreign=found.country_code != phonenumbers.country_code_for_region(country),
        has_extension=bool(found.extension),
    )


def e164(text: str | None, country: str) -> str | None:
    """Return the number in *text* as E.164, None if it is none."""
    found = phone(text, country)
    return found.e164 if found else None


def email(text: str | None) -> str | None:
    """Return the address in *text* in lower case, None if it is none; an inner space makes it none."""
    address = (text or "").strip().lower()
    return address if len(address) <= _LONGEST_EMAIL and _EMAIL.fullmatch(address) else None


def clean(text: str | None) -> str:
    """Return *text* composed, in one line, without control characters and halves of characters."""
    composed = unicodedata.normalize("NFC", text or "")
    kept = "".join(" " if unicodedata.category(c) == "Cc" else c for c in composed if not _is_half(c))
    return " ".join(kept.split())


def shorten(text: str, most: int) -> str:
    """Return *text* in at most *most* characters, an ellipsis where it was cut; no sign is cut in two."""
    if len(text) <= most:
        return text
    cut = text[: max(most - 1, 0)]
    if _joins(text[len(cut)]):
        while cut and _joins(cut[-1]):
            cut = cut[:-1]
        cut = cut[:-1]
    while cut and (_is_joiner(cut[-1]) or cut[-1].isspace()):
        cut = cut[:-1]
    return f"{cut}…"


def name(whole: str, *, first: str = "", last: str = "", kind: str | None = None) -> Name:
    """Return a name in its parts; *first* and *last* win over *whole* where they are given.

    ``Last, First`` is turned round, and the last word is the last name. *kind* Commercial: a company.
    """
    first, last, whole = clean(first), clean(last), clean(whole)
    if not first and not last:
        first, last = _parts(whole, is_company=kind == _COMMERCIAL)
    first, last = shorten(first, LONGEST_NAME), shorten(last, LONGEST_NAME)
    return Name(shorten(f"{first} {last}".strip(), LONGEST_NAME), first, last)


def country(text: str) -> str:
    """Return the two letters of a country, or "" where they are not certain."""
    word = clean(text).upper()
    return _COUNTRIES.get(word, word if re.fullmatch(r"[A-Z]{2}", word) else "")


def has_letters(text: str) -> bool:
    """Whether there is a letter or a digit in it."""
    return any(character.isalnum() for character in text)


def _parts(whole: str, *, is_company: bool) -> tuple[str, str]:
    if is_company:
        return whole, ""
    family, comma, given = whole.partition(",")
    if comma and given.strip() and family.strip() and "," not in given:
        return given.strip(), family.strip()
    given, space, family = whole.rpartition(" ")
    return (given, family) if space else (family, "")


def _is_half(character: str) -> bool:
    return unicodedata.category(character) == "Cs"


def _is_joiner(character: str) -> bool:
    return character == "\u200d"


def _joins(character: str) -> bool:
    """Whether it belongs to the character before: a combining mark, a selector, a joiner."""
    return _is_joiner(character) or unicodedata.category(character) in {"Mn", "Me", "Mc"}
