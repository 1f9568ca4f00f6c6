"""Brings messages to one channel: again when it fails, never for ever, and nobody waits for it."""

from __future__ import annotations

import logging
import random
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import anyio

from pcd.errors import ConfigError, RateLimited, Rejected, Unauthorized, UpstreamError
from pcd.health import describe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pcd.health.alert import Notice
    from pcd.health.channels import Channel
    from pcd.health.describe import Message

_log = logging.getLogger(__name__)
_ROOM = 500
_HOPELESS = (Unauthorized, Rejected, ConfigError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How a message is brought: pauses before the next attempts, and between two messages.

    What comes during *gather* and *between* goes into one message.
    """

    pauses: tuple[timedelta, ...] = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120, 600))
    gather: timedelta = timedelta(seconds=2)
    between: timedelta = timedelta(seconds=10)


class Courier:
    """Brings notices to *channel*, those that wait together as one message of *sender*.

    *settle* hears which notices were told, or why they were not. What does not fit into its bag of 500 is
    forgotten, the oldest first; `pcd alerts list` has it all the same.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        settle: Callable[[str, Sequence[Notice], str], Awaitable[None]],
        rounds: Rounds,
        sender: str = "pcd",
    ) -> None:
        self.name = channel.name
        self._sender = sender
        self._channel = channel
        self._settle = settle
        self._rounds = rounds
        self._bag: deque[Notice | Message] = deque(maxlen=_ROOM)
        self._news = anyio.Event()
        self._is_failing = False

    def take(self, what: Sequence[Notice | Message]) -> None:
        """Put *what* into the bag; never waits."""
        self._bag.extend(what)
        self._news.set()
        self._news = anyio.Event()

    async def run(self) -> NoReturn:
        """Bring what is in the bag, until cancelled."""
        while True:
            while not self._bag:
                await self._news.wait()
            await anyio.sleep(self._rounds.gather.total_seconds())
            waiting = list(self._bag)
            self._bag.clear()
            ready = [each for each in waiting if isinstance(each, describe.Message)]
            notices = [each for each in waiting if not isinstance(each, describe.Message)]
            if notices:
                ready.append(describe.message(notices, name=self._sender))
            for message in ready:
                await self._bring(message)
            await anyio.sleep(self._rounds.between.total_seconds())

    async def _bring(self, message: Message) -> None:
        why = ""
        for pause in (*self._rounds.pauses, None):
            try:
                await self._channel.send(message)
            except (UpstreamError, ConfigError) as error:
                why = str(error)
                self._tell(why)
                if pause is None or isinstance(error, _HOPELESS):
                    break
                await anyio.sleep(_patience(error, pause))
            else:
                if self._is_failing:
                    _log.info("alerts: %s takes messages again", self.name)
                self._is_failing, why = False, ""
                break
        await self._settle(self.name, message.notices, why)

    def _tell(self, why: str) -> None:
        if not self._is_failing:
            _log.warning("alerts: %s was not told: %s", self.name, why)
        self._is_failing = True


def _patience(error: Exception, pause: timedelta) -> float:
    asked = error.retry_after if isinstance(error, RateLimited) else None
    seconds = min(asked, 900.0) if asked is not None else pause.total_seconds()
    return seconds * (1 + random.random() / 4)  # noqa: S311 - no secret
