"""``pcd status``, ``pcd pause``, ``pcd resume``: ask the daemon."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from textwrap import fill
from typing import Any

from pcd.cli.context import load_config, reporting
from pcd.cli.progress import sentence
from pcd.cli.running import run_async
from pcd.cli.show import ago, cut, length, print_json, screen, since, table

_WIDTH = 100


def show_status(path: Path | None, *, as_json: bool) -> None:
    """Print the daemon's status; exit 3 when none answers."""
    with reporting():
        config = load_config(path)

    async def work() -> int:
        from pcd.control.client import connect

        async with connect(config.daemon.control_socket) as client:
            status = await client.call("status")
        if as_json:
            print_json(status)
        else:
            print(describe(status))
        return 0

    run_async(work)


def change_pause(path: Path | None, method: str, params: dict[str, Any]) -> None:
    """Pause or resume through the daemon; exit 3 when none answers."""
    with reporting():
        config = load_config(path)

    async def work() -> int:
        from pcd.control.client import connect

        async with connect(config.daemon.control_socket) as client:
            await client.call(method, params)
        print(f"{params['name']}: {method}d")
        return 0

    run_async(work)


def describe(status: dict[str, Any]) -> str:
    """Return *status*, as the daemon tells it, for people."""
    now = datetime.fromisoformat(status["at"])
    order = status["under_way"]
    tables = [_services(status["services"], now)]
    if any(resource["checked_at"] or resource["rows"] for resource in status["resources"]):
        tables.append(_resources(status["resources"], order))
    if status["passes"]:
        tables.append(_passes(status["passes"], now))
    if held := [each for each in status["leases"] if each["is_live"]]:
        tables.append(_leases(held, now))
    pauses = [_pause(pause, now) for pause in status["pauses"]]
    if pauses:
        tables.append("\n".join(pauses))
    return "\n\n".join([_heading(status), cut("\n\n".join(tables), width=screen())])


def _heading(status: dict[str, Any]) -> str:
    daemon, order = status["daemon"], status["under_way"]
    trouble = f" ({status['database_trouble']})" if status["database_trouble"] else ""
    up = length(daemon["uptime_seconds"])
    lines = [
        f"pcd {daemon['version']}, process {daemon['pid']}, up {up}: {status['health']}",
        *(f"! {each}" for each in status["troubles"]),
        f"database: {daemon['database']}{trouble}",
    ]
    if workflows := _workflows(status.get("workflows") or {}):
        lines.append(f"workflows: {workflows}")
    if status["http"]:
        lines.append(f"status page: {status['http']}")
    if order:
        article = "an" if order["mode"] == "incremental" else "a"
        kind = "comparison" if order["mode"] == "gaps" else f"{order['mode']} sync"
        lines.append(f"{article} {kind} is under way: {sentence(order)}")
    return "\n".join(lines)


def _workflows(found: dict[str, Any]) -> str:
    words = {"active": "active", "paused": "paused", "dead": "failed", "old": "of the old engine"}
    return ", ".join(f"{found[key]} {word}" for key, word in words.items() if found.get(key))


def _services(services: list[dict[str, Any]], now: datetime) -> str:
    """Show whatever does not run line by line, and only name the rest."""
    rows = [
        (each["name"], each["state"], since(each["since"], now=now), each["detail"])
        for each in services
        if each["state"] != "running"
    ]
    good = [each["name"] for each in services if each["state"] == "running"]
    shown = [table(("service", "state", "since", ""), rows)] if rows else []
    return "\n".join([*shown, fill(f"running: {', '.join(good)}", width=screen() or _WIDTH)])


def _resources(resources: list[dict[str, Any]], order: dict[str, Any] | None) -> str:
    kept_aside = any(each["quarantined"] for each in resources)
    heads = ("resource", "rows", "compared") + (("quarantined",) if kept_aside else ())
    rows = [
        (each["name"], each["rows"], compared(each, order)) + ((each["quarantined"],) if kept_aside else ())
        for each in resources
    ]
    return table(heads, rows)


def compared(resource: dict[str, Any], order: dict[str, Any] | None) -> str:
    """Return when *resource* was last compared with upstream, or how far its first load is."""
    if resource["first_load_completed_at"]:
        return ago(resource["age_seconds"])
    tally = order["resources"].get(resource["name"]) if order else None
    if order is None or tally is None:
        return "not loaded yet"
    expected = order["expected"].get(resource["name"])
    share = f", {min(tally['fetched'] / expected, 0.99):.0%}" if expected else ""
    return f"loading{share}"


def _passes(passes: list[dict[str, Any]], now: datetime) -> str:
    rows = [
        (
            each["sync_type"],
            each["triggered_by"],
            since(each["started_at"], now=now),
            each["resources"],
            each["records_fetched"],
            each["records_written"],
            _ended(each),
        )
        for each in passes
    ]
    return table(("last syncs", "asked by", "began", "resources", "read", "written", ""), rows)


def _leases(leases: list[dict[str, Any]], now: datetime) -> str:
    rows = [(each["name"], each["holder"], since(each["acquired_at"], now=now)) for each in leases]
    return table(("lease", "held by", "since"), rows)


def _ended(sync: dict[str, Any]) -> str:
    if sync["failed"]:
        return f"failed: {', '.join(sync['failed'])}"
    return "under way" if sync["status"] == "started" else str(sync["status"])


def _pause(pause: dict[str, Any], now: datetime) -> str:
    reason = f": {pause['reason']}" if pause["reason"] else ""
    return f"{pause['name']} was paused {since(pause['paused_at'], now=now)}{reason}"
