"""The log as people and programs read it."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import msgspec
import pytest

from pcd.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def _log_a_story(stream: io.StringIO, *, style: str, level: str = "info") -> log.Recent:
    recent = log.configure(level=level, style=style, secrets=["hunter22"], stream=stream)
    logger = logging.getLogger("pcd.sync")
    logger.debug("page 3 of customers")
    logger.info("customers: %d read with %s", 4000, "hunter22")
    error = ValueError("hunter22 is wrong")
    logger.error("sync: broke", exc_info=error)
    return recent


def test_people_get_a_sentence_a_line_with_time_and_level() -> None:
    stream = io.StringIO()
    _log_a_story(stream, style="text")
    lines = stream.getvalue().splitlines()
    assert [line[8:] for line in lines[:2]] == [
        " info    customers: 4000 read with ***",
        " error   sync: broke",
    ]
    assert lines[-1] == "ValueError: *** is wrong"
    assert "\033" not in stream.getvalue()


@pytest.mark.parametrize("style", ["text", "json"])
def test_text_of_another_system_cannot_give_orders_to_a_terminal(style: str) -> None:
    """The screen stays, no line is written over, and tabs and new lines are left."""
    stream = io.StringIO()
    recent = log.configure(level="info", style=style, stream=stream)
    evil = "answered 400, \x1b[2J\x1b]0;all is well\x07\rok\x9b1A\tand\nmore"
    logging.getLogger("pcd.sync").info("%s", evil, exc_info=ValueError(evil))
    (line,) = recent.lines()
    for text in (stream.getvalue(), line["message"], line["error"]):
        assert not set(text) & {"\x1b", "\x07", "\r", "\x9b"}
    assert line["message"] == "answered 400, \ufffd[2J\ufffd]0;all is well\ufffd\ufffdok\ufffd1A\tand\nmore"


def test_colours_are_for_terminals_only() -> None:
    stream = _Terminal()
    _log_a_story(stream, style="text")
    assert "\033[31m" in stream.getvalue()


def test_programs_get_one_json_object_a_line() -> None:
    stream = io.StringIO()
    _log_a_story(stream, style="json", level="debug")
    lines = [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["debug", "info", "error"]
    assert lines[1]["message"] == "customers: 4000 read with ***"
    assert "*** is wrong" in lines[2]["error"]
    assert lines[0]["at"].endswith("+00:00")


def test_recent_lines_are_remembered_up_to_a_bound() -> None:
    recent = _log_a_story(io.StringIO(), style="text")
    assert [line["message"] for line in recent.lines(last=1)] == ["sync: broke"]
    logger = logging.getLogger("pcd")
    for number in range(3000):
        logger.info("line %d", number)
    assert len(recent.lines()) == 2000
    assert recent.lines()[-1]["message"] == "line 2999"


def test_configuring_again_replaces_the_handlers() -> None:
    first, second = io.StringIO(), io.StringIO()
    log.configure(level="info", style="text", stream=first)
    log.configure(level="info", style="text", stream=second)
    logging.getLogger("pcd").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_line_says_what_it_belongs_to() -> None:
    stream = io.StringIO()
    log.configure(level="info", style="json", stream=stream)
    logger = logging.getLogger("pcd.sync")
    with log.context(service="sync"):
        with log.context(resource="customers"):
            logger.info("page 3")
        logger.info("done")
    logger.info("outside")
    lines = [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]
    assert [(line.get("service"), line.get("resource")) for line in lines] == [
        ("sync", "customers"),
        ("sync", None),
        (None, None),
    ]


def test_library_is_heard_from_a_warning_on_whatever_the_level() -> None:
    """Clients of HTTP log whole requests at debug, and these may hold a customer's address."""
    stream = io.StringIO()
    recent = log.configure(level="debug", style="text", stream=stream)
    library = logging.getLogger("anthropic._base_client")
    library.debug("Request options: %s", {"content": "mary@example.com"})
    library.info("HTTP Request: POST")
    library.warning("gave up")
    assert [line["message"] for line in recent.lines()] == ["gave up"]
    assert stream.getvalue().count("\n") == 1
