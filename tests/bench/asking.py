"""Asks addresses at fixed moments, whether or not the answer before has come, and times the answers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

import aiohttp
import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

_EVERY = 0.025


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of it: seconds by address, and by how much the asker itself was late."""

    took: dict[str, list[float]] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)

    def clear(self) -> None:
        """Forget everything."""
        self.late.clear()
        for times in self.took.values():
            times.clear()


@asynccontextmanager
async def asking(addresses: Mapping[str, str]) -> AsyncIterator[Asked]:
    """Ask each of the named *addresses* forty times a second, not at the same moment, during the block."""
    asked = Asked({name: [] for name in addresses})
    async with aiohttp.ClientSession() as session, anyio.create_task_group() as group:

        async def ask(name: str) -> None:
            began = perf_counter()
            async with session.get(addresses[name]) as answer:
                await answer.read()
            asked.took[name].append(perf_counter() - began)

        async def keep_asking(name: str, offset: float) -> None:
            due = perf_counter() + offset
            while True:
                await anyio.sleep(max(due - perf_counter(), 0))
                asked.late.append(max(perf_counter() - due, 0.0))
                group.start_soon(ask, name)
                due += _EVERY

        for number, name in enumerate(addresses):
            group.start_soon(keep_asking, name, number * _EVERY / len(addresses))
        yield asked
        group.cancel_scope.cancel()


def p99(times: Sequence[float]) -> float:
    """Return what 99 of 100 *times* did not exceed."""
    return sorted(times)[-(-99 * len(times) // 100) - 1]
