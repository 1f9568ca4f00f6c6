"""What stands in ``deploy``: understood by the programs that read it, and true of the program it starts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pcd.config import load
from pcd.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# 2.0 of 10 is systemd's own word for "OK"; a network service cannot be far below.
EXPOSED_AT_MOST = 20
_NAME = re.compile(r"\bpcd_\w+")
_DERIVED = re.compile(r"_(bucket|sum|count)$")


def _run(*words: str | Path, cwd: Path | None = None) -> str:
    """Run a program and return all that it says; it must succeed."""
    done = subprocess.run(words, cwd=cwd, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_is_understood_by_systemd(unit: Path, tmp_path: Path) -> None:
    analyze = _needed("systemd-analyze")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/pcd/bin/pcd", sys.executable))
    assert _run(analyze, "verify", "--man=no", copy) == ""


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_exposes_little(unit: Path) -> None:
    analyze = _needed("systemd-analyze")
    _run(analyze, "security", "--offline=true", f"--threshold={EXPOSED_AT_MOST}", "--no-pager", unit)


def test_units_differ_in_nothing_but_the_tenant() -> None:
    """Who hardens one of them hardens both."""
    single, template = ((DEPLOY / "systemd" / name).read_text() for name in ("pcd.service", "pcd@.service"))
    body = template.replace(" (%i)", "").replace("/%i", "")
    assert _settings(body) == _settings(single)


def _settings(unit: str) -> list[str]:
    return [line for line in unit.splitlines() if line and not line.startswith("# ")]


def test_credentials_of_the_units_are_keys_of_the_configuration(tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / "pcd.service").read_text()
    names = re.findall(r"LoadCredential=([\w.]+):", text)
    assert "servicetitan.client_secret" in names
    for name in names:
        (tmp_path / name).write_text("postgresql://localhost/x" if name == "database.url" else "a secret")
    load(None, env={"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_environment_that_is_set_for_the_daemon_is_known_to_it() -> None:
    """Compose, Kubernetes, the units and the Containerfile configure it by ``PCD_<SECTION>__<KEY>``."""
    files = [ROOT / "Containerfile", *(path for path in DEPLOY.rglob("*") if path.is_file())]
    names = {name for path in files for name in re.findall(r"\bPCD_[A-Z]+__[A-Z_]+", path.read_text())}
    assert {"PCD_REDIS__URL", "PCD_DAEMON__DATA_DIR", "PCD_DAEMON__HEARTBEAT_FILE"} <= names
    values = {"PCD_REDIS__URL": "redis://redis:6379/0", "PCD_DAEMON__LOG_FORMAT": "json"}
    load(None, env={name: values.get(name, "/tmp/x") for name in names})


def test_compose_file_fits_its_schema() -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    _run(check, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_image_is_built_from_what_is_let_through() -> None:
    """An engine looks for a file named Dockerfile, unless told."""
    assert "{context: .., dockerfile: Containerfile}" in (DEPLOY / "compose.yaml").read_text()
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    let_through = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(" ".join(copied).split()) == sorted(let_through)


def test_kubernetes_objects_fit_their_schemas() -> None:
    validate = Path(sys.executable).with_name("kubernetes-validate")
    said = _run(validate, "--strict", DEPLOY / "kubernetes" / "pcd.yaml")
    assert said.count("passed for resource") == 4


def test_prometheus_understands_configuration_and_rules(tmp_path: Path) -> None:
    """And the rules fire when they should, and not before."""
    promtool = _needed("promtool")
    folder = tmp_path / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", folder)
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), folder)
    assert "SUCCESS" in _run(promtool, "check", "config", "prometheus.yml", cwd=folder)
    assert "SUCCESS" in _run(promtool, "test", "rules", "alerts_test.yml", cwd=folder)


def test_every_rule_is_seen_to_fire_and_to_be_silent() -> None:
    rules = set(re.findall(r"- alert: (\w+)", (DEPLOY / "prometheus" / "alerts.yml").read_text()))
    cases = Path(__file__).with_name("alerts_test.yml").read_text()
    seen = set(re.findall(r"alertname: (\w+)\n +exp_alerts:(.*)", cases))
    assert rules
    assert {(rule, expected) for rule in rules for expected in ("", " []")} == seen


def test_rules_and_dashboard_ask_for_metrics_that_exist() -> None:
    declared = {each.name for each in vars(metrics).values() if isinstance(each, metrics.Metric)}
    asked = set(_asked())
    assert asked
    assert {name for name in asked if name not in declared} == set()


def _asked() -> Iterator[str]:
    texts = [(DEPLOY / "prometheus" / "alerts.yml").read_text(), *_expressions()]
    for text in texts:
        for name in _NAME.findall(text):
            yield _DERIVED.sub("", name)


def _expressions() -> Iterator[str]:
    dashboard = json.loads((DEPLOY / "grafana" / "pcd.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
