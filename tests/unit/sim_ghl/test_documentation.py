"""The page about the simulators says what they do."""

from __future__ import annotations

import re
from pathlib import Path

from pcd.sim.clock import SimClock
from pcd.sim.ghl.guesses import GUESSES
from pcd.sim.ghl.server import Simulator
from pcd.sim.ghl.settings import GhlSimSettings
from pcd.sim.trouble import TROUBLES, Trouble

PAGE = (Path(__file__).parents[3] / "docs" / "simulators.md").read_text(encoding="utf-8")


def test_page_lists_every_guess_and_no_other() -> None:
    table = PAGE.split("| question |")[1].splitlines()[2:]
    shown = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table if line]
    setting = {guess: f"`{guess.setting}`" if guess.setting else "" for guess in GUESSES}
    assert shown == [(guess.subject, guess.choice, setting[guess]) for guess in GUESSES]


def test_page_lists_every_trouble_and_preset() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) >= set(Trouble)
    assert [name for name in TROUBLES if f'"{name}"' not in PAGE] == []


def test_page_lists_every_switch() -> None:
    app = Simulator(GhlSimSettings(), clock=SimClock()).app()
    paths = {resource.canonical for resource in app.router.resources()}
    switches = {path for path in paths if path.startswith("/_sim/") and "{" not in path}
    assert [path for path in switches if path not in PAGE] == []
