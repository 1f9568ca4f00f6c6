"""A process that uses the embedded server: says ``ready`` or why not, leaves at the end of its input."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from pcd.db.embedded import Embedded
from pcd.errors import PcdError


def tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201


async def main(data_dir: str, role: str) -> None:
    embedded = Embedded(Path(data_dir), settings={"fsync": "off"})
    tell("starting")
    try:
        async with embedded.use(owner=role == "owner"):
            tell("ready")
            await anyio.to_thread.run_sync(sys.stdin.read)
    except PcdError as error:
        tell(str(error))
    tell("left")


anyio.run(main, sys.argv[1], sys.argv[2], backend_options={"use_uvloop": True})
