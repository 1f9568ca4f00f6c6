"""What a model may do in a step: the tools as it sees them, and what its answer comes to. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Line = Annotated[str, Meta(min_length=1, max_length=200)]

_LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>\"')]+"
    r"|\b(?:[a-z0-9-]+\.)+(?:app|biz|co|com|dev|info|io|link|ly|me|net|org|us|xyz)\b(?:/[^\s<>\"')]*)?",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"\$\s?([0-9][0-9,]*(?:\.[0-9]+)?)|([0-9]+(?:\.[0-9]+)?)\s?(?:%|percent)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9][0-9,]*(?:\.[0-9]+)?")
_PHONE = re.compile(r"\+?[0-9(][0-9()\s.-]{8,}[0-9]")
_GAP = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]|<[a-z_ ]+>", re.IGNORECASE)
_MESSAGES = ("send_sms", "send_email")


class _Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every tool's arguments. Nobody is named: the recipient is the customer, always."""


class SendSms(_Arguments, frozen=True, tag="send_sms"):
    """Send this text message to the customer."""

    text: Annotated[str, Meta(min_length=1, max_length=480)]


class SendEmail(_Arguments, frozen=True, tag="send_email"):
    """Send this e-mail, plain text, to the customer."""

    subject: Line
    text: Annotated[str, Meta(min_length=1, max_length=5_000)]


class AddNote(_Arguments, frozen=True, tag="add_note"):
    """Add a note that only the business sees to the customer's record."""

    body: Annotated[str, Meta(min_length=1, max_length=2_000)]


class AddTags(_Arguments, frozen=True, tag="add_tags"):
    """Add tags to the customer's record."""

    tags: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=60)], ...], Meta(min_length=1, max_length=5)
    ]


class CreateTask(_Arguments, frozen=True, tag="create_task"):
    """Create a task, due tomorrow, for somebody at the business."""

    title: Line
    body: Annotated[str, Meta(max_length=2_000)] = ""


class Decline(_Arguments, frozen=True, tag="decline"):
    """The instruction cannot be carried out with what is known: say why, and a person takes over."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


Tool = SendSms | SendEmail | AddNote | AddTags | CreateTask | Decline

_TOOLS: Mapping[str, type[Tool]] = {
    "send_sms": SendSms,
    "send_email": SendEmail,
    "add_note": AddNote,
    "add_tags": AddTags,
    "create_task": CreateTask,
    "decline": Decline,
}


@dataclass(frozen=True, slots=True)
class Use:
    """One tool that the model uses, as it came."""

    name: str
    input: Mapping[str, Any]


def offered(allow: Sequence[str]) -> list[dict[str, Any]]:
    """Return the tools of *allow*, and the one that declines, as the API wants them."""
    return [_offer(name, _TOOLS[name]) for name in (*allow, "decline")]


def accept(uses: Sequence[Use], *, allow: Sequence[str], known: str) -> tuple[Tool, ...]:
    """Return what the model decided, messages first, when all of it is valid.

    Raises ValueError, with words that the model understands, for what `decided` refuses, a placeholder that
    was left open, and a link, phone number, price or percentage that stands nowhere in *known*, all that
    it was told.
    """
    tools = decided(uses, allow=allow)
    for tool in tools:
        if isinstance(tool, SendEmail):
            _check(tool.subject, known)
        if isinstance(tool, SendSms | SendEmail):
            _check(tool.text, known)
    return tools


def decided(uses: Sequence[Use], *, allow: Sequence[str]) -> tuple[Tool, ...]:
    """Return what the model decided, messages first, whatever the texts say.

    Raises ValueError for a tool that is not offered, arguments that do not fit, and a message too many.
    """
    tools = [_accept(use, allow=allow) for use in uses]
    if not tools:
        raise ValueError("use a tool; text alone does nothing")
    if any(isinstance(tool, Decline) for tool in tools):
        return tuple(tool for tool in tools if isinstance(tool, Decline))[:1]
    for kind in (SendSms, SendEmail):
        if sum(isinstance(tool, kind) for tool in tools) > 1:
            raise ValueError(f"use {kind.__struct_config__.tag} once at most")
    return tuple(sorted(tools, key=lambda tool: not isinstance(tool, SendSms | SendEmail)))


def _accept(use: Use, *, allow: Sequence[str]) -> Tool:
    if use.name not in (*allow, "decline"):
        raise ValueError(f"there is no tool {use.name}")
    try:
        return msgspec.convert({**use.input, "type": use.name}, _TOOLS[use.name])
    except msgspec.ValidationError as error:
        raise ValueError(f"{use.name}: {error}") from error


def _check(text: str, known: str) -> None:
    if gap := _GAP.search(text):
        raise ValueError(f"the text has an open placeholder: {gap[0]}")
    for link in _LINK.findall(text):
        if link.rstrip(".,;!?") not in known:
            raise ValueError("the text has a link that you were not given")
    digits = _digits(known)
    if any(_digits(phone)[-10:] not in digits for phone in _PHONE.findall(text)):
        raise ValueError("the text has a phone number that you were not given")
    figures = {_plain(number) for number in _NUMBER.findall(known)}
    if any(_plain(dollars or percent) not in figures for dollars, percent in _FIGURE.findall(text)):
        raise ValueError("the text has a price or a percentage that you were not given")


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter.isdigit())


def _plain(number: str) -> str:
    """Return *number* so that 1,500.00 and 1500 are the same."""
    whole, _, fraction = number.replace(",", "").partition(".")
    return f"{whole}.{fraction.rstrip('0')}".rstrip(".")


def _offer(name: str, kind: type[Tool]) -> dict[str, Any]:
    (_, definitions) = msgspec.json.schema_components([kind])
    schema = dict(definitions[kind.__name__])
    properties = {key: value for key, value in schema["properties"].items() if key != "type"}
    return {
        "name": name,
        "description": schema.pop("description"),
        "input_schema": {
            "type": "object",
            "additionalProperties": False,
            "properties": properties,
            "required": [key for key in schema["required"] if key != "type"],
        },
    }
