"""Writes down what `Alerts` hears and has it told to people, each channel on its own."""

from __future__ import annotations

import logging
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio

from pcd.db import queries
from pcd.errors import StoreError
from pcd.health.alert import Alert, News, Notice
from pcd.health.check import Level, Scope
from pcd.health.courier import Courier, Rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from anyio.abc import TaskStatus

    from pcd.db.pool import Database, Record
    from pcd.health.alerts import Alerts
    from pcd.health.channels import Channel
    from pcd.health.describe import Message

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.health")
_WITHIN = timedelta(seconds=5)
_EVERY = 60.0
_UNWRITTEN = 500
_GONE_AFTER = 6 * 3600.0


class Crier:
    """A service: has every alert of this process written to `automation.alerts` and told to all *channels*.

    An alert that another process has raised already is not told again. While the database is away people are
    told at once, and the rows are written when it is back. It vouches for the alerts whose keys end in
    *place*, this daemon, and closes those of a daemon that nobody vouched for while it watched for hours.
    """

    name = "alerts"

    def __init__(
        self,
        alerts: Alerts,
        *,
        db: Callable[[], Database],
        channels: Sequence[Channel],
        rounds: Rounds | None = None,
        sender: str = "pcd",
        place: str = "",
    ) -> None:
        self._alerts = alerts
        self._db = db
        self._place = place
        self._unmoved: dict[tuple[str, datetime], float] = {}
        self._rounds = rounds or Rounds()
        self._sender = sender
        self._unwritten: deque[Notice] = deque(maxlen=_UNWRITTEN)
        self._untold: deque[tuple[str, str, str]] = deque(maxlen=_UNWRITTEN)
        self._lock = anyio.Lock()
        self._couriers = tuple(self._courier(channel) for channel in channels)

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels that are told."""
        return tuple(courier.name for courier in self._couriers)

    def say(self, message: Message) -> None:
        """Have all channels told *message*, the daily digest; never waits."""
        for courier in self._couriers:
            courier.take([message])

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Write and tell until cancelled."""
        async with anyio.create_task_group() as group:
            for courier in self._couriers:
                group.start_soon(courier.run)
            task_status.started()
            while True:
                await self._catch_up()
                await self._compare()
                with anyio.move_on_after(_EVERY):
                    await self._alerts.wait()
                self._have_told([each for each in self._alerts.take() if await self._write(each)])

    def _have_told(self, notices: Sequence[Notice]) -> None:
        if notices:
            for courier in self._couriers:
                courier.take(notices)

    async def _catch_up(self) -> None:
        """Write what the database has not heard."""
        async with self._lock:
            try:
                await self._write_the_rest()
            except StoreError as error:
                _log.debug("alerts: the database does not take them now: %s", error)

    async def _write_the_rest(self) -> None:
        while self._unwritten:
            await self._store(self._unwritten[0])
            self._unwritten.popleft()
        while self._untold:
            await self._db().execute(_SQL["told"], *self._untold[0], timeout=_WITHIN)
            self._untold.popleft()

    async def _compare(self) -> None:
        """Write what is still found, go on with what earlier processes left open, forget what is over."""
        if self._unwritten:
            self._unmoved.clear()
            return
        try:
            await self._see()
            await self._close_orphans(await open_alerts(self._db()))
            self._alerts.agree(await open_alerts(self._db()))
        except StoreError as error:
            # Nobody could vouch for anything meanwhile.
            self._unmoved.clear()
            _log.debug("alerts: what others raised is not known now: %s", error)

    async def _see(self) -> None:
        if found := self._alerts.open:
            shown = [
                (each.key, each.level.value, each.title, each.text, each.seen_at, each.count)
                for each in found
            ]
            await self._db().execute(
                _SQL["see_alerts"], *map(list, zip(*shown, strict=True)), timeout=_WITHIN
            )
        if self._place:
            await self._db().execute(_SQL["vouch"], f"@{self._place}", timeout=_WITHIN)

    async def _close_orphans(self, stored: Sequence[Alert]) -> None:
        """Close what daemons that are gone found about themselves. By our watch alone: clocks may step."""
        now = anyio.current_time()
        found = [(each.key, each.seen_at) for each in stored if each.group == Scope.DAEMON]
        self._unmoved = {each: self._unmoved.get(each, now) for each in found}
        if gone := [each for each, since in self._unmoved.items() if now - since >= _GONE_AFTER]:
            rows = await self._db().fetch(
                _SQL["close_orphans"], *map(list, zip(*gone, strict=True)), timeout=_WITHIN
            )
            self._have_told([Notice(news=News.RECOVERED, alert=each) for each in _alerts(rows)])

    async def _write(self, notice: Notice) -> bool:
        """Write *notice* and return whether people are to be told."""
        try:
            async with self._lock:
                await self._write_the_rest()
                return await self._store(notice)
        except StoreError as error:
            _log.debug("alerts: written later: %s", error)
            self._unwritten.append(notice)
            return True

    async def _store(self, notice: Notice) -> bool:
        alert, db = notice.alert, self._db()
        match notice.news:
            case News.TEST:
                return True
            case News.RECOVERED:
                values = (alert.key, alert.resolved_at, alert.resolution)
                return await db.fetchval(_SQL["resolve_alert"], *values, timeout=_WITHIN) is not None
            case News.RAISED | News.WORSE:
                row = await db.fetchrow(_SQL["raise_alert"], *_columns(alert), timeout=_WITHIN)
                assert row is not None
                return bool(row["is_new"]) or notice.news is News.WORSE

    async def _settle(self, channel: str, notices: Sequence[Notice], why: str) -> None:
        """Remember which alerts *channel* was told of, or why not."""
        told = ((each.alert.key, channel, why) for each in notices if each.news is not News.TEST)
        self._untold.extend(told)
        await self._catch_up()

    def _courier(self, channel: Channel) -> Courier:
        return Courier(channel, settle=self._settle, rounds=self._rounds, sender=self._sender)


async def open_alerts(db: Database) -> list[Alert]:
    """Return what is open, the oldest first."""
    return _alerts(await db.fetch(_SQL["open_alerts"], timeout=_WITHIN))


async def list_alerts(db: Database, *, also_over: bool, limit: int) -> list[dict[str, Any]]:
    """Return alerts for people, the newest first."""
    import orjson

    rows = await db.fetch(_SQL["list_alerts"], also_over, limit, timeout=_WITHIN)
    return [
        {**dict(row), "told": orjson.loads(row["told"]), "untold": orjson.loads(row["untold"])}
        for row in rows
    ]


async def acknowledge(db: Database, which: str, *, by: str) -> list[dict[str, Any]]:
    """Remember that a person has seen the open alert with that id or key, and return it."""
    return [dict(row) for row in await db.fetch(_SQL["ack_alert"], which, by, timeout=_WITHIN)]


def _alerts(rows: Iterable[Record]) -> list[Alert]:
    return [Alert(**{**dict(row), "level": Level(row["level"])}) for row in rows]


def _columns(alert: Alert) -> tuple[object, ...]:
    return (
        alert.key,
        alert.level.value,
        alert.title,
        alert.text,
        alert.group,
        alert.raised_at,
        alert.seen_at,
        alert.count,
    )
