"""The lines of the control socket, encoded and decoded. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from pcd.errors import ControlError

PROTOCOL = 1
MAX_LINE = 1 << 20
"""The longest line in bytes, its newline not counted."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request of a client; *id* is repeated in every answer to it."""

    id: int
    method: str
    params: dict[str, Any] = {}


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request failed: *code* for programs, *message* for people."""

    code: str
    message: str


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the daemon: exactly one of *result*, *error* and *progress* is set.

    *id* is 0 when the request could not be read.
    """

    id: int
    result: Any = msgspec.UNSET
    error: Complaint | msgspec.UnsetType = msgspec.UNSET
    progress: Any = msgspec.UNSET


_requests = msgspec.json.Decoder(Request)
_answers = msgspec.json.Decoder(Answer)


def encode(message: Request | Answer) -> bytes:
    """Return *message* as one line; an answer that would be too long becomes an error that says so."""
    line = msgspec.json.encode(message)
    if len(line) > MAX_LINE:
        if isinstance(message, Request):
            raise ControlError("the request is too long for the control socket", code="too_long")
        return encode(failure(message.id, ControlError("the answer is too long", code="too_long")))
    return line + b"\n"


def decode_request(line: bytes) -> Request:
    """Return the request in *line*; raises ControlError saying what is wrong with it."""
    try:
        return _requests.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ControlError(f"not a request: {error}", code="bad_request") from error


def decode_answer(line: bytes) -> Answer:
    """Return the answer in *line*; raises ControlError when another program speaks there."""
    try:
        answer = _answers.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ControlError(f"not an answer of pcd: {error}", code="bad_answer") from error
    said = [part for part in (answer.result, answer.error, answer.progress) if part is not msgspec.UNSET]
    if len(said) != 1:
        raise ControlError("not an answer of pcd: neither result, error nor progress", code="bad_answer")
    return answer


def success(id: int, result: object) -> Answer:  # noqa: A002 - the field's word
    """Return the answer that carries *result*."""
    return Answer(id=id, result=result)


def failure(id: int, error: ControlError) -> Answer:  # noqa: A002 - the field's word
    """Return the answer that carries *error*."""
    return Answer(id=id, error=Complaint(code=error.code, message=str(error)))


def progress(id: int, state: object) -> Answer:  # noqa: A002 - the field's word
    """Return a line that tells how far a request has come."""
    return Answer(id=id, progress=state)


def agree(theirs: object) -> None:
    """Raise ControlError unless a client that speaks protocol *theirs* can be served."""
    if theirs != PROTOCOL:
        message = (
            f"this daemon speaks control protocol {PROTOCOL}, the command {theirs!r}: same version on both"
        )
        raise ControlError(message, code="protocol")
