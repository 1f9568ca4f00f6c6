"""``pcd drill``: break what the daemon stands on, on a simulated company, and tell what it does about it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pcd.cli.context import reporting
from pcd.cli.running import run_async
from pcd.cli.show import print_json, table
from pcd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcd.drill.scenario import Finding, Scenario


def run_drill(only: Sequence[str], *, as_json: bool) -> None:
    """Play the scenarios named in *only*, or all of them; exit 1 when something went unseen or was lost."""
    with reporting():
        chosen = _chosen(only)

    async def work() -> int:
        findings = await _play(chosen, quiet=as_json)
        if as_json:
            import msgspec

            print_json([msgspec.to_builtins(each) for each in findings])
        else:
            print(f"\n{describe(findings)}")
        return 0 if all(each.is_good for each in findings) else 1

    run_async(work, farewell="The drill is over; nothing of it is left.")


async def _play(chosen: Sequence[Scenario], *, quiet: bool) -> list[Finding]:
    from pcd.drill.driller import play
    from pcd.drill.ground import open_ground

    findings = []
    with tempfile.TemporaryDirectory(prefix="pcd-drill-", ignore_cleanup_errors=True) as name:
        if not quiet:
            print("A simulated company, a database and a daemon are set up ...", flush=True)
        async with open_ground(Path(name)) as ground:
            for scenario in chosen:
                if not quiet:
                    print(f"- {scenario.what} ...", flush=True)
                findings.append(await play(ground, scenario))
    return findings


def describe(findings: Sequence[Finding]) -> str:
    """Return the report: what was broken and said, then a table, then a sentence."""
    heads = ("broken", "seen after", "well again after", "lost")
    bad = sum(not each.is_good for each in findings)
    skipped = sum(bool(each.skipped) for each in findings)
    end = f"{bad} did not go as they should" if bad else "nothing was lost"
    return "\n\n".join(
        (
            "\n".join(_told(each) for each in findings),
            table(heads, [_row(each) for each in findings]),
            f"{len(findings) - skipped} played, {skipped} skipped; {end}",
        )
    )


def _told(found: Finding) -> str:
    if found.skipped:
        return f"{found.name}: {found.what}\n  not played: {found.skipped}"
    return (
        f"{found.name}: {found.what}\n"
        f"  the daemon said: {found.seen or 'NOTHING'}\n"
        f"  what it does:    {found.answer}"
    )


def _row(found: Finding) -> tuple[str, ...]:
    if found.skipped:
        return (found.name, "", "", "not played")
    if not found.seen:
        return (found.name, "never", "", "?")
    lost = "; ".join(found.lost) or "nothing"
    return (found.name, f"{found.seen_after:.1f} s", f"{found.well_after:.1f} s", lost)


def _chosen(only: Sequence[str]) -> tuple[Scenario, ...]:
    from pcd.drill.scenarios import SCENARIOS

    known = {scenario.name: scenario for scenario in SCENARIOS}
    for name in only:
        if name not in known:
            raise ConfigError(f"--only: there is no {name!r}; there are: {', '.join(known)}")
    return tuple(each for each in SCENARIOS if not only or each.name in only)
