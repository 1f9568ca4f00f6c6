"""What docs/workflows.md says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pcd.actions import CATALOGUE
from pcd.messages import compose
from pcd.workflows import describe
from pcd.workflows.conditions import parse
from pcd.workflows.delays import parse_delay
from pcd.workflows.facts import describe as describe_facts
from pcd.workflows.loader import from_toml
from pcd.workflows.validate import Known, problems_of

PAGE = (Path(__file__).parents[3] / "docs" / "workflows.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "table"),
    [
        ("facts", describe_facts.markdown(describe_facts.rows())),
        ("actions", describe.markdown(describe.rows(CATALOGUE))),
    ],
)
def test_table_is_the_catalogue(command: str, table: str) -> None:
    found = re.search(rf"<!-- pcd workflow {command} --markdown -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found is not None
    assert found[1] == table, f"run: pcd workflow {command} --markdown"


def test_example_is_a_definition() -> None:
    found = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    workflow = from_toml(found[1].encode(), source="docs")
    known = Known(actions=CATALOGUE, facts_in=lambda text: compose.parse(text).facts)
    assert not list(problems_of(workflow, known))


@pytest.mark.parametrize("text", re.findall(r'^when = "(.*?)"', PAGE, re.MULTILINE))
def test_condition_is_one(text: str) -> None:
    parse(text)


@pytest.mark.parametrize("text", ["2 hours", "90m", "1 day 2 hours"])
def test_delay_is_one(text: str) -> None:
    assert f'`"{text}"`' in PAGE
    parse_delay(text)
