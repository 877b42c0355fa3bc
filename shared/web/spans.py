"""Spans of requests: FastAPI's own, and those of an application that FastAPI does not route."""

from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import tracing
from shared.metrics import METHODS
from shared.web.request_id import QUIET_PATHS


def telemetry() -> TelemetryConfig:
    """Return what FastAPI is to do: spans of requests if traces are on, and nothing else ever.

    Never by itself: what FastAPI exports from the environment alone has queries, with codes and states.
    """
    provider = tracing.provider()
    return {
        "tracer_provider": provider,
        "tracing": provider is not None,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
        "exclude": lambda scope: scope["path"] in QUIET_PATHS,
    }


class ServerSpanMiddleware:
    """Makes the span of each request to an application that FastAPI does not route."""

    def __init__(self, app: ASGIApp, *, route: str) -> None:
        """Take the wrapped app and its route."""
        self._app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        with tracing.request_span(method, self._route, _trace_headers(scope)) as span:

            async def noting_send(message: Message) -> None:
                if span is not None and message["type"] == "http.response.start":
                    tracing.answered(span, message["status"])
                await send(message)

            await self._app(scope, receive, noting_send)


def _trace_headers(scope: Scope) -> dict[str, str]:
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in (b"traceparent", b"tracestate") and len(value) <= tracing.LONGEST_HEADER
    }
