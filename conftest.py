"""Bounds every test in time, so that a hang is a failure with every stack and not a stuck build."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from support.watchdog import WATCHDOG, Watchdog, kill_children

if TYPE_CHECKING:
    from collections.abc import Generator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the bound."""
    parser.addini("test_seconds", "seconds that a test may take, fixtures included", default="60")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let a terminated run clean up like an interrupted one; watch that it comes to an end."""
    watchdog = config.stash[WATCHDOG] = Watchdog(output=os.dup(sys.__stderr__.fileno()))
    watchdog.start()
    signal.signal(signal.SIGTERM, watchdog.terminate)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End the run, with nothing left behind, when a test takes longer than its bound."""
    marker = item.get_closest_marker("timeout")
    seconds = float(marker.args[0] if marker else item.config.getini("test_seconds"))
    watchdog = item.config.stash[WATCHDOG]
    watchdog.expect(item.nodeid, within=seconds)
    try:
        return (yield)
    finally:
        watchdog.calm()


def pytest_unconfigure() -> None:
    """Leave no process behind, whatever the run was interrupted in."""
    kill_children()


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Leave a person who looks around all the time there is."""
    config.stash[WATCHDOG].calm()
