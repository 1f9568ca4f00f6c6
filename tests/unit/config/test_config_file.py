"""The config.toml that we deliver tells the truth."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from support.shipped import shipped, shipped_text

from pcd.config import Config, listing, load, schema
from pcd.config.environment import OLD_NAMES

if TYPE_CHECKING:
    from pathlib import Path

TEXT = shipped_text()
COMMENTED_KEY = re.compile(r"^# (?=[a-z_]+ = )", re.MULTILINE)
PROBE_LINE = re.compile(r"^# ?(?=\[\[health\.probes\]\]|(?:name|kind|target|timeout) = )", re.MULTILINE)
PIPELINES = "ghl.pipelines."


def without_probes(text: str) -> str:
    """Return *text* as it is without the commented probes."""
    head, _, tail = text.partition("# [[health.probes]]")
    return head + tail[tail.index("\n[ai]") :]


def test_file_as_delivered_sets_nothing_but_the_pipelines() -> None:
    assert all(key.startswith(PIPELINES) for key in shipped().origins)


def test_every_commented_value_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED_KEY.sub("", without_probes(TEXT)))
    config, defaults = load(path, {}), Config()
    differing = [
        entry.key
        for entry, default in zip(listing.entries(config), listing.entries(defaults), strict=True)
        if entry.value != default.value and not entry.key.startswith(PIPELINES)
    ]
    assert differing == []


@pytest.mark.parametrize(
    "key", sorted(schema.KEYS.keys() - {"ghl.technicians", "health.probes", "workflows.webhooks"})
)
def test_every_key_appears_in_its_section(key: str) -> None:
    section, _, leaf = key.rpartition(".")
    body = re.split(r"^# ?\[|^\[", TEXT.partition(f"\n[{section}]\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    assert re.search(rf"^(# )?{leaf} = ", body, re.MULTILINE)


def test_pipelines_carry_the_ids_of_the_old_system() -> None:
    pipelines = shipped().ghl.pipelines
    assert pipelines.sales.id == "fWJfnMsPzwOXgKdWxdjC"
    assert pipelines.sales.stages.job_sold == "97703c8d-1dc6-46f3-a537-601678cedebd"
    assert pipelines.install.id == "bbsMqYClVMDN26Lr6HdV"
    stages = tomllib.loads(TEXT)["ghl"]["pipelines"]
    assert [len(set(stages[name]["stages"].values())) for name in ("sales", "install")] == [7, 6]


def test_commented_probes_are_probes(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(PROBE_LINE.sub("", TEXT))
    names = [probe.name for probe in load(path, {}).health.probes]
    assert {"n8n", "perfect-catch-redis", "supabase", "mongodb"} <= set(names)


@pytest.mark.parametrize("name", sorted(old.name for old in OLD_NAMES))
def test_old_name_is_told(name: str) -> None:
    assert re.search(rf"\b{name}\b", TEXT)
