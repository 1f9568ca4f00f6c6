"""Where the whole daemon says that a person should know something. Saying it never waits and never fails."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from pcd.health.alert import Alert, News, Notice
from pcd.health.check import Level

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pcd.clock import Clock

_MOST = 1000
"""How many alerts may be open in one process; what would be more is counted under one key."""

_OVERFLOW = "alerts.overflow"


class Alerts:
    """The open alerts of this process; `take` yields what is new.

    The same key raised again is the same alert: counted, told again only when it became worse.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Alert] = {}
        self._news: deque[Notice] = deque(maxlen=2 * _MOST)
        self._changed = anyio.Event()

    def raise_(
        self, key: str, *, title: str, text: str = "", level: Level = Level.FAIL, group: str = ""
    ) -> None:
        """Say that something is wrong: *title* says what, *text* what it means and what to do about it.

        Neither may hold a secret or a customer's data. Call it as often as it is found to be so.
        """
        now = self._clock.now()
        known = self._open.get(key)
        if known is None and len(self._open) >= _MOST and key != _OVERFLOW:
            self.raise_(_OVERFLOW, title=f"more than {_MOST} alerts are open; new ones are not kept")
            return
        if known is None:
            alert = Alert(
                key=key, level=level, title=title, text=text, group=group, raised_at=now, seen_at=now
            )
            self._note(News.RAISED, alert)
            return
        again = replace(known, level=level, title=title, text=text, seen_at=now, count=known.count + 1)
        if level.rank > known.level.rank:
            self._note(News.WORSE, again)
        else:
            self._open[key] = again

    def resolve(self, key: str, *, text: str = "") -> None:
        """Say that it is over; *text* may say how. Does nothing where no such alert is open."""
        known = self._open.pop(key, None)
        if known is not None:
            over = replace(known, resolved_at=self._clock.now(), resolution=text)
            self._news.append(Notice(news=News.RECOVERED, alert=over))
            self._wake()

    def test(self) -> None:
        """Have every channel told that this is a test."""
        now = self._clock.now()
        title = "This is a test: alerts of pcd arrive here."
        alert = Alert(key="alerts.test", level=Level.WARN, title=title, raised_at=now, seen_at=now)
        self._news.append(Notice(news=News.TEST, alert=alert))
        self._wake()

    @property
    def open(self) -> tuple[Alert, ...]:
        """What is open, the oldest first."""
        return tuple(self._open.values())

    def agree(self, stored: Iterable[Alert]) -> None:
        """Take over what stands open in the record, which other processes write as well.

        What they raised is open here too, and what they resolved is not any more; nobody is told of either.
        What has happened here and was not taken yet stays as it is.
        """
        pending = {notice.alert.key for notice in self._news}
        known = {alert.key: alert for alert in stored if alert.key not in pending}
        kept = {key: alert for key, alert in self._open.items() if key in pending or key in known}
        self._open = {**known, **kept}

    def take(self) -> list[Notice]:
        """Return what has happened since this was last asked, in order."""
        news = list(self._news)
        self._news.clear()
        return news

    async def wait(self) -> None:
        """Return once there is something to `take`."""
        while not self._news:
            await self._changed.wait()

    def _note(self, news: News, alert: Alert) -> None:
        self._open[alert.key] = alert
        self._news.append(Notice(news=news, alert=alert))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
