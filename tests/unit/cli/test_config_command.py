"""`pcd config check` and `pcd config show`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pcd.cli.config import app

HIDDEN = "hidden-value"
runner = CliRunner()


@pytest.fixture(autouse=True)
def lone_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start in an empty folder, with an environment that gives no key."""
    monkeypatch.chdir(tmp_path)
    for name in ("PCD_CONFIG", "DATABASE_URL", "REDIS_URL", "LOG_LEVEL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_good_configuration_is_told_with_what_is_missing() -> None:
    Path("config.toml").write_text('[daemon]\nlog_level = "debug"\n')
    result = runner.invoke(app, ["check"])
    assert result.exit_code == 0
    assert result.stdout.startswith("config.toml: no problems; keys set: 1.\n")
    assert "servicetitan.client_secret" in result.stdout


def test_resource_that_does_not_exist_is_refused_with_the_nearest_one() -> None:
    """Left out silently, it would look like a mirror that is complete."""
    Path("config.toml").write_text('[sync]\nresources = ["jobs", "customer"]\n')
    result = runner.invoke(app, ["check"])
    assert result.exit_code == 2
    assert result.stderr == (
        "pcd: sync.resources: there is no resource 'customer'; did you mean customers?\n"
    )


def test_bad_configuration_ends_with_two_and_one_message() -> None:
    Path("config.toml").write_text('[daemon]\nhttp_prt = 1\nlog_level = "loud"\n')
    result = runner.invoke(app, ["check"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("pcd: the configuration has 2 problems:\n  - daemon.http_prt")
    assert "Traceback" not in result.stderr


def test_check_speaks_json_to_programs() -> None:
    result = runner.invoke(app, ["check", "--json"], env={"LOG_LEVEL": "debug"})
    answer = json.loads(result.stdout)
    assert (answer["file"], answer["set"]) == (None, {"daemon.log_level": "environment LOG_LEVEL"})


def test_secrets_in_a_file_that_everybody_reads_are_told() -> None:
    path = Path("config.toml")
    path.write_text(f'[ai]\napi_key = "{HIDDEN}"\n')
    path.chmod(0o644)
    assert "chmod 600 config.toml" in runner.invoke(app, ["check"]).stdout
    path.chmod(0o600)
    assert "chmod" not in runner.invoke(app, ["check"]).stdout


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["for people", "for programs"])
def test_no_secret_is_shown(options: list[str]) -> None:
    env = {"ANTHROPIC_API_KEY": HIDDEN, "DATABASE_URL": f"postgresql://user:{HIDDEN}@host/name"}
    result = runner.invoke(app, ["show", *options], env=env)
    assert result.exit_code == 0
    assert HIDDEN not in result.output
    assert "postgresql://user:***@host/name" in result.stdout


def test_show_tells_value_and_origin_of_every_key() -> None:
    Path("other.toml").write_text('[sync]\nlookback = "90m"\n')
    result = runner.invoke(
        app, ["show", "--config", "other.toml", "--json"], env={"ANTHROPIC_API_KEY": HIDDEN}
    )
    shown = json.loads(result.stdout)
    assert shown["sync.lookback"] == {"value": "1h30m", "origin": "other.toml"}
    assert shown["ai.api_key"] == {"value": "(set)", "origin": "environment ANTHROPIC_API_KEY"}
    assert shown["ghl.token"] == {"value": "(not set)", "origin": "default"}
    assert shown["health.probes"] == {"value": [], "origin": "default"}


def test_show_for_people_has_a_heading_for_each_section() -> None:
    lines = runner.invoke(app, ["show"]).stdout.splitlines()
    assert lines[0] == "[daemon]"
    assert "[messaging.twilio]" in lines
    assert any(line.split() == ["http_port", "3001", "default"] for line in lines)
