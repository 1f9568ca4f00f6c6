"""The declared metrics."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pcd.telemetry import metrics
from pcd.telemetry.metrics import Kind, Metric, Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    import prometheus_client

PCD = Path(metrics.__file__).parents[1]


@pytest.mark.parametrize("metric", metrics.METRICS, ids=lambda metric: metric.name)
def test_metric_is_named_after_what_it_counts(metric: Metric) -> None:
    assert re.fullmatch(r"pcd_[a-z_]+[a-z]", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert metric.name.endswith("_seconds") or metric.kind is not Kind.HISTOGRAM
    assert metric.help.endswith(".")


def test_every_declared_metric_is_in_the_table() -> None:
    declared = {value for value in vars(metrics).values() if isinstance(value, Metric)}
    assert declared == set(metrics.METRICS)


def test_numbers_are_served_in_prometheus_text_format() -> None:
    made = Metrics()
    made.add(metrics.SYNC_RECORDS, 40, resource="customers", outcome="created")
    made.refresh_with(lambda: made.set(metrics.UPTIME, 12.5))
    made.observe(metrics.LOOP_LAG, 0.01)
    families = {family.name: family for family in _served(made)}
    sample = families["pcd_sync_records"].samples[0]
    assert (sample.labels, sample.value) == ({"resource": "customers", "outcome": "created"}, 40)
    assert families["pcd_uptime_seconds"].samples[0].value == 12.5
    assert "process_resident_memory_bytes" in families


def test_value_is_counted_in_its_bucket_and_all_above_it() -> None:
    made = Metrics()
    for value in (0.0002, 0.0003, 7.0):
        made.observe(metrics.LOOP_LAG, value)
    (family,) = (each for each in _served(made) if each.name == "pcd_loop_lag_seconds")
    counts = [sample.value for sample in family.samples if sample.name.endswith("_bucket")]
    assert counts == [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3]
    sums = {sample.name: sample.value for sample in family.samples if not sample.name.endswith("_bucket")}
    assert sums == {"pcd_loop_lag_seconds_count": 3, "pcd_loop_lag_seconds_sum": pytest.approx(7.0005)}


def test_label_may_hold_any_text() -> None:
    text = 'a "quoted" \\ word\nand a line'
    made = Metrics()
    made.add(metrics.WAKES, reason=text)
    (family,) = (each for each in _served(made) if each.name == "pcd_wakes")
    assert [sample.labels for sample in family.samples] == [{"reason": text}]


def test_labels_other_than_the_declared_are_a_bug() -> None:
    made = Metrics()
    with pytest.raises(ValueError, match="pcd_wakes_total has the labels"):
        made.add(metrics.WAKES)
    with pytest.raises(ValueError, match="pcd_uptime_seconds has the labels"):
        made.set(metrics.UPTIME, 1, service="sync")


def test_two_registries_do_not_know_each_other() -> None:
    first, second = Metrics(), Metrics()
    first.set(metrics.DATABASE_UP, 1)
    assert b"pcd_database_up 0.0" in second.render()


def test_metric_of_another_kind_is_a_bug() -> None:
    with pytest.raises(TypeError, match="is no counter"):
        Metrics().add(metrics.UPTIME)


def test_every_declared_metric_is_fed() -> None:
    """One that nobody sets would be served as zero, and believed."""
    names = {name: value for name, value in vars(metrics).items() if isinstance(value, Metric)}
    fed = {name for path in PCD.rglob("*.py") for name in _first_arguments(ast.parse(path.read_text()))}
    assert sorted(set(names) - fed) == []


def _served(made: Metrics) -> list[prometheus_client.Metric]:
    return list(text_string_to_metric_families(made.render().decode()))


def _first_arguments(tree: ast.Module) -> Iterator[str]:
    """Yield the name of what each call of a method that feeds a metric is about."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=("add" | "set" | "observe" | "_catch_up")), args=[about, *_]
            ):
                yield from (each.attr for each in ast.walk(about) if isinstance(each, ast.Attribute))
                yield from (each.id for each in ast.walk(about) if isinstance(each, ast.Name))
