"""Carries recorded events to whoever wants them in this process.

The table is the queue, a channel only the wake-up: what does not fit is dropped, because whoever has not
emptied a full channel will look at the table anyway. So nobody who is slow or gone holds up detection.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from pcd.events.event import Recorded

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

_ROOM = 1000


class Channels:
    """The subscriptions of one process."""

    def __init__(self) -> None:
        self._streams: set[MemoryObjectSendStream[Recorded]] = set()
        self.dropped = 0

    @contextmanager
    def subscribe(self, *, room: int = _ROOM) -> Generator[MemoryObjectReceiveStream[Recorded]]:
        """Yield a stream of the events that are recorded from now on, up to *room* waiting ones.

        A subscriber who reads the table after subscribing, and again after each event received, misses none.
        """
        send, receive = anyio.create_memory_object_stream[Recorded](room)
        self._streams.add(send)
        try:
            with send, receive:
                yield receive
        finally:
            self._streams.discard(send)

    def publish(self, events: Iterable[Recorded]) -> None:
        """Offer *events* to every subscriber; never waits."""
        for event in events:
            for stream in self._streams:
                try:
                    stream.send_nowait(event)
                except (anyio.WouldBlock, anyio.BrokenResourceError):
                    self.dropped += 1
