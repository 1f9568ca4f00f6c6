"""Sends one message to customer 1, as the process of a test that kills it: the database's URL, the config."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import anyio
import msgspec

from pcd.actions.builder import messenger
from pcd.clock import Clock
from pcd.config import load
from pcd.config.shape import MessagingConfig
from pcd.db.pool import Database
from pcd.ghl.client import connect
from support.messaging import SetClock, text


async def main(url: str, path: str) -> None:
    """Send it."""
    config = msgspec.structs.replace(load(Path(path), {}), messaging=MessagingConfig(mode="live"))
    db = await Database.connect(url, pool_size=2, wait=timedelta(seconds=5))
    async with connect(config.ghl, clock=Clock()) as ghl:
        await messenger(config, db=db, ghl=ghl, clock=SetClock(), country="US").send(text())


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
