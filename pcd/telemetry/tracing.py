"""Traces for OpenTelemetry: what an event came from and what it led to, in one trace.

Off, and nothing is imported, unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set. A trace's id is its event's, and
the ids of spans follow from ids that are stored anyway. So nothing has to be handed on, neither through the
database nor from process to process, and each may tell of its part when it is over.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pcd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from datetime import datetime
    from uuid import UUID

    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SYNC, CHANGE, EVENT = "sync", "change", "event"
"""What the spans before an event's steps are known by in its trace, each the next one's parent."""

_HAND_OVER_WITHIN = 1.0
_exporters: list[_Exporter] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took from *began_at* to *ended_at* because of an event.

    *key* is what it is known by in the event's trace, *parent* the key of what it is a part of, empty for the
    first. *about* are further facts, none of them a customer's.
    """

    event_id: UUID
    name: str
    key: str
    parent: str
    began_at: datetime
    ended_at: datetime
    about: Mapping[str, str | int] = field(default_factory=dict)


def is_on() -> bool:
    """Return whether anybody wants spans."""
    return bool(_exporters)


def tell(*spans: Span) -> None:
    """Hand *spans* on; without a collector that is nothing. Never waits."""
    for exporter in _exporters:
        for span in spans:
            exporter.tell(span)


@contextmanager
def exported(environment: Mapping[str, str]) -> Generator[None]:
    """Send spans to the collector that *environment* names, if it names one, until the block is left.

    Raises ConfigError when OpenTelemetry is not installed.
    """
    if not environment.get(ENDPOINT):
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError(
            f"{ENDPOINT} is set, but OpenTelemetry is not installed: pip install 'pcd[otel]'"
        ) from error
    with told_to(BatchSpanProcessor(OTLPSpanExporter())):
        yield


@contextmanager
def told_to(processor: SpanProcessor) -> Generator[None]:
    """Hand every span to *processor* until the block is left."""
    exporter = _Exporter(processor)
    _exporters.append(exporter)
    try:
        yield
    finally:
        _exporters.remove(exporter)
        exporter.close()


class _Exporter:
    """Makes spans with ids of ours of those that it is told of."""

    def __init__(self, processor: SpanProcessor) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        self._ids = _Ids()
        resource = Resource.create().merge(Resource({"service.name": "pcd"}))
        self._provider = TracerProvider(
            id_generator=cast("IdGenerator", self._ids),  # by its methods: the class is not imported when off
            resource=resource,
            sampler=ALWAYS_ON,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("pcd")

    def tell(self, span: Span) -> None:
        """Make a span of *span*, and end it."""
        from opentelemetry import trace

        self._ids.trace, self._ids.span = span.event_id.int, span_id(span.event_id, span.key)
        parent = trace.SpanContext(
            trace_id=span.event_id.int,
            span_id=span_id(span.event_id, span.parent) if span.parent else 0,
            is_remote=True,
            trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
        )
        made = self._tracer.start_span(
            span.name,
            context=trace.set_span_in_context(trace.NonRecordingSpan(parent)),
            start_time=_nanoseconds(span.began_at),
            attributes=span.about,
        )
        made.end(_nanoseconds(max(span.ended_at, span.began_at)))

    def close(self) -> None:
        """Hand over what is still here; a collector that is away keeps nobody waiting for long."""
        leaving = threading.Thread(target=self._provider.shutdown, daemon=True)
        leaving.start()
        leaving.join(_HAND_OVER_WITHIN)


class _Ids:
    """The ids of the span that is made next."""

    trace = span = 0

    def generate_trace_id(self) -> int:
        """Return the trace's."""
        return self.trace

    def generate_span_id(self) -> int:
        """Return the span's."""
        return self.span

    def is_trace_id_random(self) -> bool:
        """Return whether its lower half is random."""
        return False


def span_id(event_id: UUID, key: str) -> int:
    """Return the id of the span *key* in the trace of an event."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, key=event_id.bytes).digest()
    return int.from_bytes(digest) or 1


def _nanoseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000) * 1000
