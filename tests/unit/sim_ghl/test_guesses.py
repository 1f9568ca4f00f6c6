"""The table of guesses against the settings that it names."""

from __future__ import annotations

from dataclasses import fields

from pcd.sim.ghl.guesses import GUESSES
from pcd.sim.ghl.settings import GhlSimSettings


def test_each_guess_is_listed_once_and_names_a_setting_that_exists() -> None:
    names = {field.name for field in fields(GhlSimSettings)}
    assert {guess.setting for guess in GUESSES} - {""} <= names
    assert len({guess.subject for guess in GUESSES}) == len(GUESSES)


def test_every_setting_that_decides_something_undocumented_is_listed() -> None:
    decided = {
        "match_order",
        "closed_opportunity_blocks",
        "invalid_phone",
        "retry_after",
        "duplicate_search_lags",
        "opportunity_search_lags",
        "range_keys",
        "needs_slash",
        "field_form",
        "stop_sets_dnd",
    }
    assert decided <= {guess.setting for guess in GUESSES}
