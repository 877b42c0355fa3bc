"""What leaves this process of a trace, and which traces do; imported only when traces are on."""

import random
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    TracerProvider,
    TraceState,
    get_current_span,
)
from opentelemetry.util.types import Attributes

from shared.metrics import project_version
from shared.settings import SettingsError

ATTRIBUTES: Final = frozenset(
    {
        "db.operation.name",
        "db.system.name",
        "error.type",
        "gen_ai.operation.name",
        "gen_ai.tool.name",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "mcp.method.name",
        "mcp.protocol.version",
        "network.protocol.version",
        "url.scheme",
        "url.template",
    }
)
"""All that a span may say. No URL: queries carry codes and states, and paths the ids of clients."""

_RATES: Final = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}


class ClosedExporter(SpanExporter):
    """Hands on of each span its name, its times, its place in the trace, and `ATTRIBUTES`; nothing else."""

    def __init__(self, exporter: SpanExporter) -> None:
        """Take what exports."""
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export what may leave."""
        return self._exporter.export([_closed(span) for span in spans])

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait for what is under way."""
        return self._exporter.force_flush(timeout_millis)


def _closed(span: ReadableSpan) -> ReadableSpan:
    attributes = {name: value for name, value in (span.attributes or {}).items() if name in ATTRIBUTES}
    return ReadableSpan(
        name=span.name,
        context=_place(span.context),
        parent=_place(span.parent),
        resource=span.resource,
        attributes=attributes,
        links=[Link(place) for link in span.links if (place := _place(link.context)) is not None],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _place(context: SpanContext | None) -> SpanContext | None:
    # Without the trace state: callers may put anything there.
    if context is None:
        return None
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


class OwnRatio(Sampler):
    """Takes a share of the traces by drawing lots.

    Not by the trace id, as the SDK's does: a caller may choose one that is always taken.
    """

    def __init__(self, rate: float) -> None:
        """Take the share, 0 to 1."""
        self._rate = rate

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return whether to take a trace."""
        taken = random.random() < self._rate  # noqa: S311 - nobody gains by guessing it
        # As the SDK's own samplers do: what is not handed back here is not in the span.
        told = get_current_span(parent_context).get_span_context().trace_state
        if not taken:
            return SamplingResult(Decision.DROP, trace_state=told)
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, told)

    def get_description(self) -> str:
        """Return how it decides."""
        return f"OwnRatio{{{self._rate}}}"


def sampler_of(environ: Mapping[str, str]) -> Sampler:
    """Return what decides which traces are taken, by OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG.

    A caller's `sampled` flag gives no trace a better chance than our own share; with `parentbased_…` a caller
    may keep a request out. Within this process a span is taken when the span above it is.

    Raises:
        SettingsError: another name, or no share between 0 and 1.
    """
    name = environ.get("OTEL_TRACES_SAMPLER", "parentbased_always_on").strip().lower()
    kind = name.removeprefix("parentbased_")
    if kind not in _RATES:
        raise SettingsError(
            [f"OTEL_TRACES_SAMPLER must be one of {', '.join(_RATES)}, or one of them after parentbased_."]
        )
    rate = _RATES[kind]
    ours = OwnRatio(_share(environ) if rate is None else rate)
    return ParentBased(
        ours,
        remote_parent_sampled=ours,
        remote_parent_not_sampled=ours if kind == name else ALWAYS_OFF,
    )


def _share(environ: Mapping[str, str]) -> float:
    try:
        share = float(environ.get("OTEL_TRACES_SAMPLER_ARG", "1"))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(["OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1."])
    return share


def make_provider(service: str, environ: Mapping[str, str]) -> TracerProvider:
    """Return what makes spans and sends them, in the background, to where OTEL_* say.

    Raises:
        SettingsError: as `sampler_of`.
    """
    named = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    ours = {"service.version": project_version(), **({} if named else {"service.name": service})}
    # Closed by `close`: the SDK's own way, at the end of the process, may wait for half a minute.
    provider = SdkTracerProvider(
        sampler=sampler_of(environ), resource=Resource.create(ours), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(ClosedExporter(OTLPSpanExporter(timeout=EXPORT_SECONDS))))
    return provider


EXPORT_SECONDS: Final = 3.0
"""How long one try to send spans may take, and so how long the end of a process may wait for it."""


def close(provider: TracerProvider) -> None:
    """Send what waits, and stop."""
    if isinstance(provider, SdkTracerProvider):
        provider.shutdown()
