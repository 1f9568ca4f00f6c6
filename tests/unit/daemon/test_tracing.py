"""Traces: ids that follow from what is stored, and nothing at all when nobody wants them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from pcd.errors import ConfigError
from pcd.telemetry import tracing
from pcd.telemetry.tracing import Span

EVENT = UUID("0d5a7c9e-6f1b-4b7e-9a51-0c2d3e4f5a6b")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def span(key: str, parent: str = "", **about: str | int) -> Span:
    return Span(
        event_id=EVENT,
        name=f"{key} jobs",
        key=key,
        parent=parent,
        began_at=NOW,
        ended_at=NOW + timedelta(milliseconds=20),
        about=about,
    )


def test_spans_of_an_event_are_one_trace_whoever_tells_of_them() -> None:
    """As two daemons would, each with what it has seen."""
    export = pytest.importorskip("opentelemetry.sdk.trace.export", reason="pip install pcd[otel]")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    told = memory.InMemorySpanExporter()
    for part in (span("step 7:1", tracing.EVENT, action="add_note"), span(tracing.EVENT)):
        with tracing.told_to(export.SimpleSpanProcessor(told)):
            tracing.tell(part)
        told._stopped = False
    step, event = told.get_finished_spans()
    assert {each.context.trace_id for each in (step, event)} == {EVENT.int}
    assert step.parent.span_id == event.context.span_id
    assert event.parent is None
    assert (event.end_time - event.start_time) == 20_000_000
    assert dict(step.attributes) == {"action": "add_note"}
    assert step.resource.attributes["service.name"] == "pcd"


def test_nothing_is_imported_while_it_is_off() -> None:
    code = (
        "import sys; from pcd.telemetry import tracing\n"
        "with tracing.exported({}):\n"
        "    print(tracing.is_on(), any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]


def test_endpoint_without_the_extra_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, name, None)
    with (
        pytest.raises(ConfigError, match=r"pcd\[otel\]"),
        tracing.exported({tracing.ENDPOINT: "http://localhost:4318"}),
    ):
        raise AssertionError
