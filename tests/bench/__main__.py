"""Run every measurement on an embedded PostgreSQL with its ordinary settings and print one table."""

from __future__ import annotations

import asyncio
import importlib
import os
import platform
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import psutil
import uvloop

from pcd.db.embedded import Embedded

if TYPE_CHECKING:
    from bench.result import Result

_HERE = Path(__file__).parent
_HEAD = ("measured", "ours", "against", "ratio", "goal", "holds")


async def main(wanted: list[str]) -> int:
    """Measure all modules, or those whose name holds one of *wanted*; return how many goals were missed."""
    names = _names()
    chosen = [name for name in names if not wanted or any(word in name for word in wanted)]
    folder = _folder()
    results: list[Result] = []
    notes: list[str] = []
    try:
        async with Embedded(folder / "db").use(owner=True) as url:
            version = await _version(url)
            for name in chosen:
                print(f"{name} ...", file=sys.stderr, flush=True)
                module = importlib.import_module(f"bench.bench_{name}")
                results += await module.measure(url)
                notes += [module.NOTE] if hasattr(module, "NOTE") else []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _print(results, version)
    print("", *notes, sep="\n")
    return sum(result.holds is False for result in results)


def _names() -> list[str]:
    return sorted(path.stem.removeprefix("bench_") for path in _HERE.glob("bench_*.py"))


def _folder() -> Path:
    """Return a new folder that PostgreSQL's own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="pcd-bench-", dir="/tmp"))
    folder.chmod(0o755)
    return folder


async def _version(url: str) -> str:
    connection = await asyncpg.connect(url)
    version: str = await connection.fetchval("SHOW server_version")
    await connection.close()
    return version


def _print(results: list[Result], version: str) -> None:
    memory = psutil.virtual_memory().total / 2**30
    print(
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, "
        f"Python {platform.python_version()}, PostgreSQL {version} with its ordinary settings\n"
    )
    words = {True: "yes", False: "NO", None: ""}
    rows = [(r.what, r.ours, r.against, r.ratio, r.goal, words[r.holds]) for r in results]
    widths = [max(len(row[i]) for row in (_HEAD, *rows)) for i in range(len(_HEAD))]
    for row in (_HEAD, tuple("-" * width for width in widths), *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")


async def _interruptible(wanted: list[str]) -> int:
    """Run `main`. SIGTERM cancels it as Ctrl-C does: nothing that was started is left behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await main(wanted)


if __name__ == "__main__":
    for word in sys.argv[1:]:
        if not any(word in name for name in _names()):
            print(f"there is no measurement {word!r}; there are: {', '.join(_names())}", file=sys.stderr)
            sys.exit(2)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sys.exit(runner.run(_interruptible(sys.argv[1:])))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("interrupted")
