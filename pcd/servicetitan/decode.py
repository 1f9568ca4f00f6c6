"""Read what ServiceTitan's bodies hold, without decoding the records themselves. Pure.

Records stay the bytes that were received: a number keeps its scale, a date its seventh digit.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec

from pcd.errors import Clamped, Malformed

SERVICE = "ServiceTitan"

Id = Annotated[int, msgspec.Meta(le=2**63 - 1)]
T = TypeVar("T")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding JSON raises: it is none, a text in it is not valid UTF-8, or it is nested too deep."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DATA = re.compile(rb'"data"\s*:\s*\[')
# Up to the next bracket outside of a string. Possessive: what does not match must not be tried again.
_TO_BRACKET = re.compile(rb'(?:[^][{}"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([][{}])', re.DOTALL)
_LEADING_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*(-?\d{1,18})\s*[,}]')


@dataclass(frozen=True, slots=True)
class ExportPage:
    """One answer of an export. *continue_from* continues it, also when there is no more for now."""

    has_more: bool
    continue_from: str
    records: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list. *total_count* is None unless it was asked for with ``includeTotal``."""

    page: int
    page_size: int
    has_more: bool
    total_count: int | None
    records: list[msgspec.Raw]


class Head(msgspec.Struct, frozen=True, gc=False):
    """What is read of every record. *modified* is as precise as upstream wrote it, or None."""

    id: Id
    modified: str | None = None


class _IdOnly(Head, frozen=True, gc=False, rename={"modified": "(none)"}):
    modified: str | None = None


class _Export(msgspec.Struct, frozen=True, rename="camel"):
    has_more: bool
    data: list[msgspec.Raw]
    continue_from: str | None = None


class _List(msgspec.Struct, frozen=True, rename="camel"):
    page: int
    page_size: int
    has_more: bool
    data: list[msgspec.Raw]
    total_count: int | None = None


def export_page(body: bytes) -> ExportPage:
    """Return the export answer in *body*. Raises Malformed when it is none, or cannot be continued."""
    answer = _decode(_Export, body)
    if answer.has_more and not answer.continue_from:
        raise Malformed("The export says there is more but not from where", service=SERVICE)
    return ExportPage(answer.has_more, answer.continue_from or "", answer.data)


def list_page(body: bytes, *, page: int, page_size: int) -> ListPage:
    """Return the list answer in *body*, which must be the *page* that was asked for.

    Raises Clamped where the server made the page smaller than *page_size*, and Malformed where it is
    another page or no list at all. Unknown and misplaced parameters are ignored upstream, not
    refused, so only this echo shows that a request was understood.

    Source: a planning note of another client, 2026-08-25: asked for 3 records, was sent 188.
    """
    answer = _decode(_List, body)
    if answer.page != page:
        raise Malformed(f"Asked for page {page}, was sent page {answer.page}", service=SERVICE)
    if 0 < answer.page_size < page_size:
        raise Clamped(
            f"Asked for pages of {page_size}, was sent one of {answer.page_size}: start over with that",
            service=SERVICE,
            page_size=answer.page_size,
        )
    if answer.page_size != page_size:
        raise Malformed(
            f"Asked for pages of {page_size}, was sent one of {answer.page_size}", service=SERVICE
        )
    return ListPage(answer.page, answer.page_size, answer.has_more, answer.total_count, answer.data)


def head(record: msgspec.Raw | bytes, *, modified: str = "modifiedOn") -> Head:
    """Return the id and the modification instant of one record; *modified* names the field, "" for none.

    Raises Malformed when the id is missing or no 64-bit integer. The text never quotes the record.
    """
    try:
        return head_decoder(modified).decode(record)
    except UNREADABLE as error:
        raise Malformed(f"The record cannot be read: {error}", service=SERVICE) from error


def leading_id(record: msgspec.Raw | bytes) -> int | None:
    """Return the id with which *record* begins, or None; the rest of it may be anything."""
    found = _LEADING_ID.match(record)
    return int(found[1]) if found else None


@functools.cache
def head_decoder(modified: str) -> msgspec.json.Decoder[Head]:
    """Return what `head` decodes with, for whoever reads thousands; it raises msgspec's own errors."""
    if not modified:
        return msgspec.json.Decoder(_IdOnly)
    field = [("modified", str | None, None)]
    shape = msgspec.defstruct(
        "Head", field, bases=(Head,), frozen=True, gc=False, rename={"modified": modified}
    )
    return msgspec.json.Decoder(shape)


def _decode(shape: type[T], body: bytes) -> T:
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise Malformed(f"Not the expected answer: {error}", service=SERVICE) from error
    except UNREADABLE as error:
        try:
            return _salvage(shape, body)
        except ValueError:
            raise Malformed(f"Not JSON: {error} ({len(body)} bytes)", service=SERVICE) from error


def _salvage(shape: type[T], body: bytes) -> T:
    """Return the answer in *body*, some of whose records are no JSON. ValueError: there is more wrong.

    One record with a NaN, a control character or half a surrogate pair would otherwise make the whole
    page unreadable, and every page after it unreachable. Such a record is handed on as it came.
    """
    begin = _DATA.search(body)
    if begin is None:
        raise ValueError("no data")
    records, end = _split(body, begin.end())
    answer = msgspec.json.decode(body[: begin.end()] + body[end:], type=shape)
    if isinstance(answer, _Export | _List):
        answer.data[:] = records
    return answer


def _split(body: bytes, start: int) -> tuple[list[msgspec.Raw], int]:
    """Return what stands in the array whose inside begins at *start*, and where its last bracket is."""
    records: list[msgspec.Raw] = []
    depth, loose, opened = 0, start, start
    position = start
    while (found := _TO_BRACKET.match(body, position)) is not None:
        at, position = found.start(1), found.end()
        if body[at] in b"[{":
            if depth == 0:
                records += _scalars(body[loose:at])
                opened = at
            depth += 1
        elif depth == 0:
            return records + _scalars(body[loose:at]), at
        else:
            depth -= 1
            if depth == 0:
                records.append(msgspec.Raw(body[opened:position]))
                loose = position
    raise ValueError("it breaks off")


def _scalars(text: bytes) -> list[msgspec.Raw]:
    """Return what stands between two records and is none: a null, say."""
    return [msgspec.Raw(part.strip()) for part in text.split(b",") if part.strip()]
