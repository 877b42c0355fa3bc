"""Traces of requests (OpenTelemetry, W3C Trace Context), off unless OTEL_EXPORTER_OTLP_ENDPOINT is set.

Off, everything here is one look at a variable; OpenTelemetry's SDK is not imported. On, FastAPI makes the
span of each request by itself (`shared.web.spans`). Whatever a span says goes through
`shared.trace_export`, which lets out a closed list of attributes.
"""

import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dotenv import dotenv_values
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared import logs
from shared.settings import SettingsError, read_secrets

SETTINGS: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
)
"""The names of OpenTelemetry that operators need most; its SDK reads more of them."""

LONGEST_HEADER: Final = 512
"""Characters of a `traceparent` or `tracestate`; a longer one is not read."""

_NOTHING: Final[Mapping[str, str]] = {}
_OFF: Final = nullcontext(_NOTHING)
_NO_SPAN: Final[AbstractContextManager[None]] = nullcontext()
_W3C: Final = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class _Tracing:
    provider: TracerProvider
    tracer: Tracer


_active: _Tracing | None = None


def start(
    service: str, *, environ: MutableMapping[str, str] = os.environ, env_file: Path = Path(".env")
) -> None:
    """Switch traces on if the environment asks for them.

    Args:
        service: the name of this service in traces, unless OTEL_SERVICE_NAME says another.
        environ: the process environment. OTEL_* of `env_file` and of SECRETS_DIR are added to it, because the
            SDK reads nothing else.
        env_file: settings in a file.

    Raises:
        SettingsError: OTEL_* say something that cannot be done, or the packages for traces are not installed.
    """
    in_file = dict(dotenv_values(env_file)) if env_file.is_file() else {}
    in_secrets, _ = read_secrets(environ.get("SECRETS_DIR") or in_file.get("SECRETS_DIR") or "")
    for name, value in {**in_secrets, **in_file}.items():
        if name.startswith("OTEL_") and value and not environ.get(name):
            environ[name] = value
    for name in [name for name, value in environ.items() if name.startswith("OTEL_") and not value.strip()]:
        # Empty is as good as not set, and the SDK does not always think so.
        del environ[name]
    if not _is_wanted(environ):
        return
    try:
        from shared.trace_export import make_provider
    except ImportError:
        raise SettingsError(
            ["OTEL_EXPORTER_OTLP_ENDPOINT is set, but its packages are not installed: the extra `otel`."]
        ) from None
    use(make_provider(service, environ))


def _is_wanted(environ: Mapping[str, str]) -> bool:
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    exporter = environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower()
    if not endpoint or exporter == "none" or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    problems = []
    if exporter != "otlp":
        problems.append("OTEL_TRACES_EXPORTER must be otlp or none.")
    if protocol not in (None, "http/protobuf"):
        problems.append("OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf.")
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        problems.append("OTEL_EXPORTER_OTLP_ENDPOINT must be an absolute http or https URL.")
    if problems:
        raise SettingsError(problems)
    return True


def use(provider: TracerProvider | None) -> None:
    """Make the spans of this process with a provider, from now on; None: make none.

    An application built before goes on as it was built.
    """
    global _active  # whether a process is traced is a fact about the process
    _active = None if provider is None else _Tracing(provider, provider.get_tracer("val-town-mcp-server"))
    logs.trace_of_line = None if provider is None else _current_trace_id


def stop() -> None:
    """Send what waits, for a few seconds at most, and make no more spans."""
    if _active is not None:
        from shared.trace_export import close

        stopped = _active.provider
        use(None)
        close(stopped)


def provider() -> TracerProvider | None:
    """Return what makes the spans of this process; None: nothing does."""
    return None if _active is None else _active.provider


def client_span(operation: str) -> AbstractContextManager[Mapping[str, str]]:
    """Make a span of a call to another server; give the headers that carry the trace there.

    Args:
        operation: the method and path template, or another name in our own code.
    """
    return _OFF if _active is None else _client_span(_active.tracer, operation)


@contextmanager
def _client_span(tracer: Tracer, operation: str) -> Iterator[Mapping[str, str]]:
    method, space, template = operation.partition(" ")
    attributes = {"http.request.method": method, "url.template": template} if space else {}
    with _failing(tracer, operation, SpanKind.CLIENT, attributes):
        headers: dict[str, str] = {}
        _W3C.inject(headers)
        yield headers


def store_span(operation: str) -> AbstractContextManager[object]:
    """Make a span of an operation of the store, if it belongs to a request that is traced."""
    if _active is None or not trace.get_current_span().is_recording():
        return _NO_SPAN
    attributes = {"db.system.name": "redis", "db.operation.name": operation}
    return _failing(_active.tracer, operation, SpanKind.CLIENT, attributes)


def tool_span(tool: str, revision: str, meta: Mapping[str, object]) -> AbstractContextManager[Span | None]:
    """Make a span of a tool call.

    It belongs to the trace that `_meta` names (MCP 2026-07-28: `traceparent` and `tracestate`), with a link
    to the HTTP request; without one, to the trace of the request.

    Args:
        tool: its name, from our catalogue.
        revision: of MCP.
        meta: of the call, as it came.
    """
    if _active is None:
        return _NO_SPAN
    attributes = {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": revision,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
    }
    context, links = _told_in(meta)
    return _failing(_active.tracer, f"tools/call {tool}", SpanKind.SERVER, attributes, context, links)


def request_span(method: str, route: str, headers: Mapping[str, str]) -> AbstractContextManager[Span | None]:
    """Make a span of an HTTP request, in the trace that its headers name.

    Args:
        method: one that HTTP knows, or another name in our own code.
        route: its template.
        headers: `traceparent` and `tracestate`, as they came.
    """
    if _active is None:
        return _NO_SPAN
    attributes = {"http.request.method": method, "http.route": route}
    parent = _W3C.extract(headers, Context())
    return _failing(_active.tracer, f"{method} {route}", SpanKind.SERVER, attributes, parent)


def _told_in(meta: Mapping[str, object]) -> tuple[Context | None, list[Link]]:
    carrier = {
        name: value
        for name in ("traceparent", "tracestate")
        if isinstance(value := meta.get(name), str) and len(value) <= LONGEST_HEADER
    }
    if "traceparent" not in carrier:
        return None, []
    told = _W3C.extract(carrier, Context())
    here = trace.get_current_span().get_span_context()
    there = trace.get_current_span(told).get_span_context()
    if not there.is_valid or there.trace_id == here.trace_id:
        return None, []
    return told, [Link(here)] if here.is_valid else []


@contextmanager
def _failing(
    tracer: Tracer,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, str],
    context: Context | None = None,
    links: list[Link] | None = None,
) -> Iterator[Span]:
    """Make a span that tells of an exception its type alone: its words may quote a caller."""
    with tracer.start_as_current_span(
        name,
        context=context,
        kind=kind,
        attributes=attributes,
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except BaseException as error:
            failed(span, type(error).__name__)
            raise


def answered(span: Span, status: int) -> None:
    """Note the status of an answer; from 500 on the span failed (semantic conventions for HTTP spans)."""
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        failed(span, str(status))


def failed(span: Span, kind: str) -> None:
    """Mark a span as failed, with the kind of the failure."""
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)


def _current_trace_id() -> str | None:
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
