"""Keeps planning and sending out of each other's way: nobody sends for a customer who is being considered."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection


class Lanes:
    """Which customers are being considered in this process, and the wake-up calls between those at work."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._turn = anyio.Lock()
        self._owed = anyio.Event()
        self._dirty = anyio.Event()

    @asynccontextmanager
    async def considering(self, customer_ids: Collection[int]) -> AsyncGenerator[None]:
        """Keep the calls of these customers from being taken; those that were taken already are visible."""
        async with self._turn:
            self._taken |= set(customer_ids)
        try:
            yield
        finally:
            self._taken -= set(customer_ids)

    @asynccontextmanager
    async def taking(self) -> AsyncGenerator[list[int]]:
        """Yield whose calls must not be taken now; nobody begins to be considered meanwhile."""
        async with self._turn:
            yield sorted(self._taken)

    def tell_owed(self) -> None:
        """Something may be owed now."""
        self._owed.set()

    def tell_dirty(self) -> None:
        """Somebody may have to be considered now."""
        self._dirty.set()

    async def wait_owed(self, seconds: float) -> None:
        """Return once something may be owed, or after so many seconds."""
        with anyio.move_on_after(seconds):
            await self._owed.wait()
        self._owed = anyio.Event()

    async def wait_dirty(self, seconds: float) -> None:
        """Return once somebody may have to be considered, or after so many seconds."""
        with anyio.move_on_after(seconds):
            await self._dirty.wait()
        self._dirty = anyio.Event()
