"""``pcd logs``: what the daemon has logged lately, and what it logs from now on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from pcd.cli.context import load_config, reporting
from pcd.cli.running import run_async


def show_logs(
    path: Path | None, *, last: int, level: str, follow: bool, set_level: str, as_json: bool
) -> None:
    """Print the daemon's log, or change what it logs; exit 3 when no daemon answers."""
    with reporting():
        config = load_config(path)

    async def work() -> int:
        from pcd.control.client import connect

        async with connect(config.daemon.control_socket) as client:
            if set_level:
                changed = await client.call("logs.level", {"level": set_level})
                print(f"logs from {changed['level']} on (before: {changed['before']})")
                return 0
            params = {"last": last, "level": level, "follow": follow}

            def show(part: dict[str, Any]) -> None:
                _print(part["lines"], as_json=as_json)

            found = await client.call("logs.read", params, on_progress=show)
            show(found)
        return 0

    run_async(work, farewell="")


def sentence(line: dict[str, Any]) -> str:
    """Return one line for people: the time here, the level, the sentence; a traceback follows."""
    at = datetime.fromisoformat(line["at"]).astimezone()
    text = f"{at:%Y-%m-%d %H:%M:%S} {line['level']:<8}{line['message']}"
    return f"{text}\n{line['error']}" if line.get("error") else text


def _print(lines: list[dict[str, Any]], *, as_json: bool) -> None:
    import msgspec

    for line in lines:
        print(msgspec.json.encode(line).decode() if as_json else sentence(line), flush=True)
