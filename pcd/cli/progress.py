"""How far a sync is: bars on a terminal, a line every few seconds elsewhere. All of it on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from pcd.cli.show import length

Show: TypeAlias = Callable[[Mapping[str, Any]], None]

_PLAIN_EVERY = 5.0
_BARS = 8
_STILL = 2.0


def say(sentence: str) -> None:
    """Tell a person why nothing happens yet."""
    sys.stderr.write(f"{sentence}\n")


def sentence(state: Mapping[str, Any]) -> str:
    """Return how far it is: ``40,479 of about 143,000 records read, about 12 s left``.

    *state* is what `pcd.control.progress.Progress.describe` makes.
    """
    total = f" of about {state['total']:,}" if state["total"] else ""
    left = "" if state["seconds_left"] is None else f", about {length(state['seconds_left'])} left"
    return f"{state['fetched']:,}{total} records read{left}"


@contextmanager
def display(*, quiet: bool) -> Generator[Show]:
    """Yield what shows the state of a sync, as `pcd.control.progress.Progress.describe` makes it."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield _lines()


@contextmanager
def _bars() -> Generator[Show]:
    """One bar for everything, and one for each resource that is being read: they fit on any screen."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.completed:>9,.0f}"),
        TextColumn("{task.fields[pace]}"),
    )
    tasks: dict[str, TaskID] = {}
    activity = _Activity()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        everything = progress.add_task("everything", total=None, pace="")

        def show(state: Mapping[str, Any]) -> None:
            progress.update(everything, completed=state["fetched"], total=state["total"], pace=_pace(state))
            busy = activity.busy(state)
            for name in state["resources"]:
                if name not in tasks:
                    tasks[name] = progress.add_task(name, total=None, pace="")
                fetched, expected = state["resources"][name]["fetched"], state["expected"].get(name)
                progress.update(tasks[name], completed=fetched, total=expected, visible=name in busy)

        yield show


class _Activity:
    """Knows which resources are being read."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def busy(self, state: Mapping[str, Any]) -> list[str]:
        """Return those that moved a moment ago and are not complete, the latest few."""
        now = time.monotonic()
        for name, tally in state["resources"].items():
            if self._seen.get(name, (0, now))[0] != tally["fetched"]:
                self._seen[name] = tally["fetched"], now
        moving = [
            name
            for name, (fetched, moved_at) in self._seen.items()
            if now - moved_at < _STILL and fetched < state["expected"].get(name, sys.maxsize)
        ]
        return sorted(moving, key=lambda name: self._seen[name][1])[-_BARS:]


def _lines() -> Show:
    told_at = time.monotonic()

    def show(state: Mapping[str, Any]) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at < _PLAIN_EVERY or not state["resources"]:
            return
        told_at = now
        names = list(state["resources"])[-4:]
        latest = ", ".join(f"{name} {state['resources'][name]['fetched']:,}" for name in names)
        say(f"{sentence(state)} ({latest})")

    return show


def _pace(state: Mapping[str, Any]) -> str:
    pace = state["fetched"] / state["seconds"] if state["seconds"] else 0.0
    left = "" if state["seconds_left"] is None else f"  {length(state['seconds_left'])} left"
    return f"{pace:,.0f}/s{left}"
