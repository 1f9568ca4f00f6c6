from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from pcd.cli.main import app

if TYPE_CHECKING:
    from pathlib import Path

DEFINITION = """
name = "Mine"
[trigger]
event = "estimate_created"
when = "estimate.total > $1,000"
[[steps]]
delay = "1 day"
action = "send_sms"
with = { text = "Hi {customer.name}, ${estimate.total}" }
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a configuration without a database."""
    for name in ("DATABASE_URL", "SERVICETITAN_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "config.toml"
    (tmp_path / "workflows").mkdir()
    path.write_text('[daemon]\ndata_dir = "data"\n[workflows]\ndefinitions = "workflows"\n')
    return path


def run(config: Path, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["workflow", *words, "--config", str(config)])
    assert result.exit_code == code, result.output
    return result.output


def test_definitions_are_validated_without_a_database(config: Path) -> None:
    (config.parent / "workflows" / "mine.toml").write_text(DEFINITION)
    found = json.loads(run(config, "validate", "--json"))
    assert {"Mine", "Payment Tracking"} <= {one["name"] for one in found["good"]}
    assert not found["bad"]


def test_bad_definition_is_named_with_its_places(config: Path) -> None:
    path = config.parent / "bad.toml"
    path.write_text(DEFINITION.replace("send_sms", "send_sns").replace("estimate.total >", "estimate.totl >"))
    out = run(config, "validate", str(path), code=2)
    assert "trigger.when: column 1: there is no fact estimate.totl; did you mean estimate.total?" in out
    path.write_text(DEFINITION.replace("send_sms", "send_sns"))
    assert "step 1.action: there is no action 'send_sns'" in run(config, "validate", str(path), code=2)


def test_made_up_event_is_played_without_a_database(config: Path) -> None:
    path = config.parent / "mine.toml"
    path.write_text(DEFINITION)
    out = run(config, "test", "--file", str(path), "--set", "estimate.total=2500")
    assert "1. step_1 (send_sms) completed" in out
    assert "Hi [customer.name], $2,500.00" in out


def test_unknown_workflow_names_the_nearest(config: Path) -> None:
    out = run(config, "test", "Payment Trackng", code=2)
    assert "did you mean 'Payment Tracking'?" in out


@pytest.mark.parametrize(("words", "part"), [("estimate.totl=1", "estimate.total"), ("x", "FACT=VALUE")])
def test_given_fact_that_is_none_is_refused(config: Path, words: str, part: str) -> None:
    assert part in run(config, "test", "Payment Tracking", "--set", words, code=2)


def test_facts_are_listed(config: Path) -> None:
    assert "next_available_date" in run(config, "facts")
    assert any(one["fact"] == "review_received" for one in json.loads(run(config, "facts", "--json")))


def test_webhook_that_the_configuration_does_not_know_is_named(config: Path) -> None:
    with config.open("a") as file:
        file.write('[[workflows.webhooks]]\nname = "n8n-sales"\nurl = "https://example.com/hook"\n')
    path = config.parent / "mine.toml"
    path.write_text(DEFINITION + '[[steps]]\naction = "post_webhook"\nwith = { webhook = "n8n-sales" }\n')
    assert "Mine" in run(config, "validate", str(path))
    path.write_text(path.read_text().replace('"n8n-sales"', '"n8n-sale"'))
    out = run(config, "validate", str(path), code=2)
    assert (
        "step 2.with.webhook: there is no webhook 'n8n-sale' in [[workflows.webhooks]]; "
        "did you mean 'n8n-sales'?"
    ) in out


def test_business_keys_that_texts_need_are_named(config: Path) -> None:
    told = run(config, "validate")
    assert "Post-Service Review Request mentions business.name and business.review_link" in told
