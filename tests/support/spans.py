"""Traces kept in memory, as they would leave the process."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared import tracing
from shared.trace_export import ClosedExporter, sampler_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Spans:
    """What was exported."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        """Take what keeps it."""
        self._exporter = exporter

    def all(self) -> tuple[ReadableSpan, ...]:
        """Return every span, in the order in which they ended."""
        return self._exporter.get_finished_spans()

    def of(self, trace_id: str) -> list[ReadableSpan]:
        """Return the spans of one trace."""
        return [span for span in self.all() if trace_of(span) == trace_id]

    def named(self, name: str) -> ReadableSpan:
        """Return the one span of a name."""
        (span,) = [span for span in self.all() if span.name == name]
        return span

    def clear(self) -> None:
        """Forget them."""
        self._exporter.clear()


@contextmanager
def traced(environ: Mapping[str, str] | None = None) -> Iterator[Spans]:
    """Switch traces on for applications that are made in the block."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler_of(environ or {}))
    provider.add_span_processor(SimpleSpanProcessor(ClosedExporter(exporter)))
    tracing.use(provider)
    try:
        yield Spans(exporter)
    finally:
        tracing.use(None)


def trace_of(span: ReadableSpan) -> str:
    """Return the id of a span's trace, as `traceparent` writes it."""
    return f"{span.get_span_context().trace_id:032x}"


def id_of(span: ReadableSpan) -> str:
    """Return a span's id, as `traceparent` writes it."""
    return f"{span.get_span_context().span_id:016x}"


def parent_of(span: ReadableSpan) -> str | None:
    """Return the id of the span above; None: there is none."""
    return None if span.parent is None else f"{span.parent.span_id:016x}"
