"""Whether calls are sent, and which of a customer's facts are shown at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pcd.config.shape import GhlConfig
from pcd.crm.desired import CycleState
from pcd.crm.facts import CustomerFacts, EstimateFacts, JobFacts
from pcd.crm.restrict import restrict
from pcd.crm.settings import CrmSettings
from pcd.crm.switch import Mode, Word, mode_of

NOW = datetime(2026, 3, 10, tzinfo=UTC)
FACTS = CustomerFacts(id=7, jobs=(JobFacts(id=1, number="1"),), estimates=(EstimateFacts(id=2),))


def word(*, is_live: bool, dry_run_then: bool) -> Word:
    return Word(is_live=is_live, dry_run_then=dry_run_then, switched_at=NOW, switched_by="test")


@pytest.mark.parametrize(
    ("enabled", "dry_run", "said", "mode"),
    [
        pytest.param(False, False, None, Mode.OFF, id="off"),
        pytest.param(False, False, word(is_live=True, dry_run_then=False), Mode.OFF, id="master switch"),
        pytest.param(True, False, None, Mode.LIVE, id="live"),
        pytest.param(True, True, None, Mode.SHADOW, id="dry run"),
        pytest.param(True, True, word(is_live=True, dry_run_then=True), Mode.LIVE, id="switched on"),
        pytest.param(True, False, word(is_live=False, dry_run_then=False), Mode.SHADOW, id="switched off"),
        pytest.param(True, True, word(is_live=True, dry_run_then=False), Mode.SHADOW, id="configured later"),
    ],
)
def test_later_word_wins(enabled: bool, dry_run: bool, said: Word | None, mode: Mode) -> None:
    assert mode_of(GhlConfig(enabled=enabled, dry_run=dry_run), said) is mode


@pytest.mark.parametrize(
    ("jobs", "estimates", "history", "shown"),
    [
        pytest.param(True, True, (), (1, 1), id="all"),
        pytest.param(False, True, (), (0, 1), id="no jobs"),
        pytest.param(True, False, (), (1, 0), id="no estimates"),
        pytest.param(False, False, (), (0, 0), id="neither"),
        pytest.param(False, True, (CycleState(number=1, job_ids=(1,)),), None, id="jobs shown before"),
        pytest.param(
            True, False, (CycleState(number=1, estimate_ids=(2,)),), None, id="estimates shown before"
        ),
    ],
)
def test_switches_keep_facts_out_and_take_back_nothing(
    jobs: bool, estimates: bool, history: tuple[CycleState, ...], shown: tuple[int, int] | None
) -> None:
    settings = CrmSettings(auto_sync_jobs=jobs, auto_sync_estimates=estimates)
    found = restrict(FACTS, history, settings)
    assert shown == (None if found is None else (len(found.jobs), len(found.estimates)))
