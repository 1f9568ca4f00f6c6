"""The log: sentences for people or JSON lines for programs, on stderr, with the secrets taken out."""

from __future__ import annotations

import logging
import sys
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO, TypedDict, cast

import msgspec

from pcd.telemetry.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COLOURS = {"debug": "\033[2m", "warning": "\033[33m", "error": "\033[31m", "critical": "\033[1;31m"}
_RESET = "\033[0m"
_CONTEXT: ContextVar[Line | None] = ContextVar("pcd_log_context", default=None)
_KEPT = 2_000
_LONGEST = 8_000
_OURS = __name__.partition(".")[0]
# Texts of other systems stand in messages, and a terminal obeys what is in them.
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "\ufffd")


class Line(TypedDict, total=False):
    """One log line as programs get it. *error* is a traceback; *number* counts the lines that are kept.

    *service*, *resource*, *instance* and *trace* say what it belongs to, as `context` had it.
    """

    number: int
    at: str
    service: str
    resource: str
    instance: str
    trace: str
    level: str
    logger: str
    message: str
    error: str


@contextmanager
def context(*, service: str = "", resource: str = "", instance: str = "", trace: str = "") -> Iterator[None]:
    """Say of every line logged in the block, and in tasks started there, what it belongs to."""
    added = Line(service=service, resource=resource, instance=instance, trace=trace)
    known = {name: value for name, value in added.items() if value}
    token = _CONTEXT.set(cast("Line", {**(_CONTEXT.get() or {}), **known}))
    try:
        yield
    finally:
        _CONTEXT.reset(token)


class Sentences(logging.Formatter):
    """Lines for people: time, level where it matters, sentence."""

    def __init__(self, *, secrets: Iterable[str] = (), colours: bool = False) -> None:
        super().__init__()
        self._secrets = tuple(secrets)
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own."""
        line = _line(record, secrets=self._secrets)
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = line["level"]
        text = f"{clock} {level:<8}{line['message']}"
        if "error" in line:
            text = f"{text}\n{line['error']}"
        colour = _COLOURS.get(level, "") if self._colours else ""
        return f"{colour}{text}{_RESET}" if colour else text


class JsonLines(logging.Formatter):
    """Lines for programs: one JSON object each."""

    def __init__(self, *, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return msgspec.json.encode(_line(record, secrets=self._secrets)).decode()


class Recent(logging.Handler):
    """Keeps the most recent lines in memory, for whoever asks the daemon for its log."""

    def __init__(self, *, secrets: Iterable[str] = (), kept: int = _KEPT) -> None:
        super().__init__()
        self._secrets = tuple(secrets)
        self._lines: deque[Line] = deque(maxlen=kept)
        self._number = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep *record*; what is longer than a screen or two is cut."""
        line = _line(record, secrets=self._secrets)
        line["message"] = line["message"][:_LONGEST]
        if "error" in line:
            line["error"] = line["error"][-_LONGEST:]
        self._number += 1
        line["number"] = self._number
        self._lines.append(line)

    @property
    def newest(self) -> int:
        """The number of the newest line, 0 before the first."""
        return self._number

    def lines(self, last: int = _KEPT, *, level: str = "debug", after: int = 0) -> list[Line]:
        """Return the *last* lines of *level* or worse, those numbered above *after* only, oldest first."""
        lowest = logging.getLevelName(level.upper())
        found = [
            line
            for line in tuple(self._lines)
            if line["number"] > after and logging.getLevelName(line["level"].upper()) >= lowest
        ]
        return found[-last:] if last else []


def ring() -> Recent | None:
    """Return what `configure` set up to remember the log, None where it was not called."""
    return next((each for each in logging.getLogger().handlers if isinstance(each, Recent)), None)


def warnings(last: int = 30) -> list[str]:
    """Return the *last* lines that told of trouble, as sentences, oldest first."""
    kept = ring()
    lines = kept.lines(last, level="warning") if kept else []
    return [f"{line['at']} {line['level']} {line['message']}" for line in lines]


def set_level(level: str) -> str:
    """Log *level* and worse from now on, and return the level that was in force."""
    root = logging.getLogger()
    before = logging.getLevelName(root.level).lower()
    root.setLevel(level.upper())
    return before


def configure(
    *,
    level: str,
    style: str,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> Recent:
    """Send everything that is logged to *stream* (stderr) and return the handler that remembers it.

    *level* is ``"info"`` and the like, *style* ``"text"`` or ``"json"``. Called again it replaces what
    it set up before.
    """
    stream = stream or sys.stderr
    secrets = tuple(secrets)
    shown = logging.StreamHandler(stream)
    shown.setFormatter(
        JsonLines(secrets=secrets) if style == "json" else Sentences(secrets=secrets, colours=stream.isatty())
    )
    recent = Recent(secrets=secrets)
    root = logging.getLogger()
    for handler in (*root.handlers,):
        root.removeHandler(handler)
    for handler in (shown, recent):
        handler.addFilter(_is_told)
        root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    return recent


def _is_told(record: logging.LogRecord) -> bool:
    """Return whether *record* is logged: what libraries say below a warning may hold whole requests."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] == _OURS


def _line(record: logging.LogRecord, *, secrets: tuple[str, ...]) -> Line:
    line = Line(
        at=datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        level=record.levelname.lower(),
        logger=record.name,
        message=_shown(record.getMessage(), secrets=secrets),
        **(_CONTEXT.get() or {}),
    )
    if record.exc_info and record.exc_info[0] is not None:
        line["error"] = _shown(logging.Formatter().formatException(record.exc_info), secrets=secrets)
    return line


def _shown(text: str, *, secrets: tuple[str, ...]) -> str:
    return redact(text, secrets=secrets).translate(_CONTROLS)
