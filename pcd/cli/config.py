"""``pcd config``: is the configuration good, and what is in force."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from pcd.cli.context import ConfigOption, Group, JsonOption, load_config, reporting
from pcd.cli.running import run_async
from pcd.config import listing

app = typer.Typer(cls=Group, help="Check and show the configuration.", no_args_is_help=True)


@app.command(short_help="Check the configuration, and try it out.")
def check(
    config: ConfigOption = None,
    connect: Annotated[
        bool, typer.Option("--connect", help="Also try it: ask ServiceTitan and the database.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the configuration; everything wrong is listed at once (exit code 2)."""
    from pcd.mirroring import mirrored

    with reporting():
        loaded = load_config(config)
        mirrored(loaded)
        notes = list(listing.notes(loaded))
    source = str(loaded.source) if loaded.source else None

    async def work() -> int:
        from pcd.cli.probe import probe

        findings = await probe(loaded) if connect else []
        if as_json:
            found: dict[str, object] = {"file": source, "set": dict(loaded.origins), "notes": notes}
            more = {"connections": [asdict(each) for each in findings]} if connect else {}
            print(json.dumps(found | more, indent=2))
        else:
            print(f"{source or 'No file'}: no problems; keys set: {len(loaded.origins)}.")
            for note in notes:
                print(f"Note: {note}.")
            for each in findings:
                print(f"{'ok' if each.is_good else 'FAILED'}: {each.text}.")
        return 0 if all(each.is_good for each in findings) else 1

    run_async(work)


@app.command(short_help="Show every key, its value and its origin.")
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show every key, its value and where it came from. Secrets are not shown."""
    with reporting():
        loaded = load_config(config)
    entries = list(listing.entries(loaded))
    if as_json:
        print(json.dumps({one.key: {"value": one.value, "origin": one.origin} for one in entries}, indent=2))
        return
    width = max(len(one.key.rpartition(".")[2]) for one in entries)
    section = ""
    for one in entries:
        before, (section, _, leaf) = section, one.key.rpartition(".")
        if section != before:
            print(f"\n[{section}]" if before else f"[{section}]")
        print(f"{leaf:<{width}}  {_cell(one.value):<40}  {one.origin}")


def _cell(value: object) -> str:
    is_hidden = isinstance(value, str) and value.startswith("(")
    return str(value) if is_hidden else json.dumps(value, ensure_ascii=False)
