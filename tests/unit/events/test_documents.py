"""What is written about events follows from their declarations."""

from __future__ import annotations

from pathlib import Path

from pcd.events import describe
from pcd.events.rules import RULES

DOCUMENT = (Path(__file__).parents[3] / "docs" / "events.md").read_text(encoding="utf-8")


def test_document_has_the_table_of_events() -> None:
    """Made anew by ``pcd events types --markdown``."""
    assert describe.markdown(RULES.values()) in DOCUMENT


def test_description_for_programs_has_every_event() -> None:
    described = {one["type"]: one for one in describe.describe(RULES.values())}
    assert described.keys() == RULES.keys()
    assert "estimate" in described["estimate_approved"]["payload"]  # type: ignore[operator]


def test_how_often_an_event_can_happen_is_said() -> None:
    said = {rule.type: describe.repeats(rule) for rule in RULES.values()}
    assert said["estimate_created"] == "once"
    assert said["estimate_approved"] == "each time"
    assert said["invoice_overdue"] == "once a date"
