"""``pcd sync``: bring the mirror up to date, through the daemon where one runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pcd.cli.context import ConfigOption, Group, JsonOption, load_config, reporting
from pcd.cli.errands import carry_out
from pcd.cli.running import run_async
from pcd.cli.show import cut, print_json, screen, table
from pcd.errors import ConfigError

app = typer.Typer(cls=Group, help="Bring the mirror up to date.", no_args_is_help=True)

_COLUMNS = {
    "resource": "resource",
    "read": "fetched",
    "new": "created",
    "changed": "updated",
    "same": "unchanged",
    "stale": "stale",
    "quarantined": "failed",
    "cut": "cut",
    "gone": "gone",
    "suspect": "suspect",
    "seconds": "seconds",
    "status": "status",
}
_RARE = {"stale", "quarantined", "cut", "gone", "suspect"}

Only = Annotated[
    str,
    typer.Option("--only", metavar="NAMES", help="Only these resources, comma separated: customers,jobs."),
]
Since = Annotated[
    str, typer.Option("--since", metavar="WHEN", help='Read again what changed since then: 2026-05-01, "2d".')
]
AcceptGone = Annotated[
    bool,
    typer.Option("--accept-gone", help="Mark rows as gone upstream even when they are suspiciously many."),
]


@app.command(short_help="Read everything, and find what is gone upstream.")
def full(
    only: Only = "",
    since: Since = "",
    accept_gone: AcceptGone = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read every record, and find the rows that upstream no longer has."""
    _sync("full", only, since, config, accept_gone=accept_gone, as_json=as_json)


@app.command()
def incremental(
    only: Only = "", since: Since = "", config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Read what changed since the last sync."""
    _sync("incremental", only, since, config, accept_gone=False, as_json=as_json)


@app.command(short_help="Read the reference data.")
def reference(only: Only = "", config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Read the reference data: business units, job types, technicians and the like."""
    _sync("reference", only, "", config, accept_gone=False, as_json=as_json)


def _sync(mode: str, only: str, since: str, path: Path | None, *, accept_gone: bool, as_json: bool) -> None:
    with reporting():
        config = load_config(path)
        at = parse_since(since, now=datetime.now().astimezone(), zone=config.daemon.timezone)
    params = {
        "mode": mode,
        "only": [name.strip() for name in only.split(",") if name.strip()],
        "since": at.isoformat() if at else None,
        "accept_gone": accept_gone,
    }

    async def work() -> int:
        report = await carry_out(config, "sync.run", params, quiet=as_json)
        if as_json:
            print_json(report)
        else:
            print(describe(report))
        return 0 if report["is_complete"] else 1

    run_async(work)


def parse_since(text: str, *, now: datetime, zone: str) -> datetime | None:
    """Return the instant that *text* means, which is not after *now*; raises ConfigError."""
    at = parse_instant(text, option="--since", now=now, zone=zone)
    if at and at > now + timedelta(minutes=1):
        raise ConfigError(f"--since: {at:%Y-%m-%d %H:%M %Z} lies in the future")
    return at


def parse_instant(text: str, *, option: str, now: datetime, zone: str) -> datetime | None:
    """Return the instant that *text* means: a date, an instant, or a length of time before *now*.

    What names no zone is in *zone*. Raises ConfigError, which names *option*.
    """
    from pcd.config import durations

    if not text:
        return None
    try:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return now - durations.parse(text)
        at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
        at.astimezone(UTC)
    except (ValueError, OverflowError):
        expected = "a date such as 2026-05-01, an instant, or a length of time such as 2d"
        raise ConfigError(f"{option}: found {text!r}, expected {expected}") from None
    return at


def describe(report: dict[str, Any]) -> str:
    """Return the end table of a sync."""
    parts = report["resources"]
    if not parts:
        return "nothing to do: every resource that would take part is paused (`pcd status` lists them)"
    columns = {head: key for head, key in _COLUMNS.items() if head not in _RARE or any(p[key] for p in parts)}
    rows = [[part[key] for key in columns.values()] for part in parts]
    failed = [part for part in parts if part["status"] != "completed"]
    errors = "".join(f"\n{part['resource']}: {part['error']}" for part in failed)
    end = f"{len(failed)} of {len(parts)} failed" if failed else "complete"
    shown = cut(table(tuple(columns), rows), width=screen())
    return f"{shown}{errors}\n{report['mode']} sync: {end}"
