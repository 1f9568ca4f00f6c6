"""A real daemon and a collector: what a customer's arrival leads to is one trace."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiohttp import web

from pcd.drill.ground import Ground
from pcd.drill.props import Disk, RedisServer
from pcd.sim.front import hosted
from pcd.stage import open_stage
from pcd.telemetry import tracing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

NAMES = ("sync customers", "change customers", "event customer_created", "step Note 1", "call add_note")

_NOTE = """\
name = "Note"
enabled = true

[trigger]
event = "customer_created"

[[steps]]
name = "note"
action = "add_note"
[steps.with]
body = "New in ServiceTitan"
"""
_MORE = """
[workflows]
definitions = "{folder}/workflows"
check_interval = "500ms"
"""


class Collector:
    """Keeps what a daemon exports, by the span's own first word and its trace."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    async def take(self, request: web.Request) -> web.Response:
        service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        body = await request.read()
        told = service.ExportTraceServiceRequest.FromString(body)
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return web.Response(body=service.ExportTraceServiceResponse().SerializeToString())

    def trace(self) -> dict[str, Any]:
        """Return the spans of the first trace that got as far as a note, by name; nothing before."""
        ids = {span.trace_id for span in self.spans if span.name == "call add_note"}
        return {span.name: span for span in self.spans if span.trace_id in ids}


async def test_sync_change_event_step_and_call_are_one_trace(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="pip install pcd[otel]")
    folder = short_dir / "tracing"
    definitions = folder / "workflows"
    definitions.mkdir(parents=True)
    folder.chmod(0o755)
    (definitions / "note.toml").write_text(_NOTE)
    collector, app = Collector(), web.Application()
    app.router.add_post("/v1/traces", collector.take)
    async with (
        hosted(app, port=0) as url,
        open_stage(folder, customers=5, pace=0.0, more=_MORE.format(folder=folder)) as stage,
    ):
        monkeypatch.setenv(tracing.ENDPOINT, url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        ground = Ground(stage, disk=Disk(folder=folder), redis=RedisServer())
        async with ground.daemon():
            await ground.until(ground.is_watching, what="the first load")
            ground.customer_arrives()
            with anyio.fail_after(30):
                while not set(NAMES) <= collector.trace().keys():  # noqa: ASYNC110 - another process sends it
                    await anyio.sleep(0.1)
    spans = collector.trace()
    for parent, child in pairwise(NAMES):
        assert spans[child].parent_span_id == spans[parent].span_id, child
        assert spans[child].start_time_unix_nano >= spans[parent].start_time_unix_nano, child
    assert not spans[NAMES[0]].parent_span_id
    made = [span for span in collector.spans if span.name == "call create_contact"]
    events = {span.span_id for span in collector.spans if span.name.startswith("event customer_")}
    assert made
    assert {span.parent_span_id for span in made} <= events
