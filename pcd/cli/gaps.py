"""``pcd gaps`` and ``pcd backfill``: what the mirror lacks, and fetching it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pcd.cli.context import load_config, reporting
from pcd.cli.errands import carry_out
from pcd.cli.running import run_async
from pcd.cli.show import cut, print_json, screen, table


def show_gaps(path: Path | None, *, only: tuple[str, ...], as_json: bool) -> None:
    """Compare every record with upstream and print how each resource differs; changes nothing."""
    with reporting():
        config = load_config(path)

    async def work() -> int:
        found = await carry_out(config, "gaps.run", {"only": only}, quiet=as_json)
        if as_json:
            print_json(found)
        else:
            print(describe(found))
        return 0

    run_async(work)


def fill_gaps(path: Path | None, *, only: tuple[str, ...], as_json: bool) -> None:
    """Fetch whatever upstream has and the mirror lacks; exit 1 when some of it could not be had."""
    from pcd.cli import sync

    with reporting():
        config = load_config(path)

    async def work() -> int:
        found = await carry_out(config, "gaps.run", {"only": only}, quiet=as_json)
        lacking = [gap["resource"] for gap in found["gaps"] if not gap["is_closed"]]
        if not as_json:
            print(describe(found))
        report = {"mode": "full", "is_complete": True, "resources": []}
        if lacking:
            params = {"mode": "full", "only": lacking, "since": None, "accept_gone": False}
            report = await carry_out(config, "sync.run", params, quiet=as_json)
        if as_json:
            print_json({"gaps": found["gaps"], "sync": report})
        elif lacking:
            print(f"\n{sync.describe(report)}")
        return 0 if report["is_complete"] else 1

    run_async(work)


def describe(found: dict[str, Any]) -> str:
    """Return the gaps as a table with a sentence under it."""
    heads = ("resource", "upstream", "stored", "missing", "differing", "gone upstream", "examples")
    rows = [
        (
            gap["resource"],
            gap["upstream"],
            gap["stored"],
            gap["missing_count"],
            gap["differing_count"],
            gap["gone_count"],
            ", ".join(str(each) for each in gap["missing"][:3]),
        )
        for gap in found["gaps"]
    ]
    lacking = sum(not gap["is_closed"] for gap in found["gaps"])
    end = f"gaps in {lacking} of {len(rows)}; `pcd backfill` closes them" if lacking else "no gaps"
    return f"{cut(table(heads, rows), width=screen())}\n{end}"
