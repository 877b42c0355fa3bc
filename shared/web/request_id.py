"""Names each request, logs one line about it, and counts it."""

import re
import secrets
import time

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.logs import get_logger

_ACCEPTED = re.compile(rb"[A-Za-z0-9][A-Za-z0-9\-]{7,63}")

REQUESTS = Counter("http_requests_total", "Requests answered.", ["method", "status"])
SECONDS = Histogram(
    "http_request_seconds",
    "Time until the last byte of the answer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
_QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


class RequestIdMiddleware:
    """Puts `X-Request-Id` on the answer and `request_id` on every log line of the request.

    An id sent by a proxy is kept when it has the shape of one. The log line holds the path, never the query:
    codes and states travel there.
    """

    def __init__(self, app: ASGIApp, *, namespace: str) -> None:
        """Take the wrapped app and the namespace of the log line."""
        self._app = app
        self._log = get_logger(namespace)
        self._counters: dict[tuple[str, int], Counter] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _sent_id(scope) or secrets.token_hex(8)
        # A server may answer one request after another in the same context.
        structlog.contextvars.unbind_contextvars("flow")
        structlog.contextvars.bind_contextvars(request_id=request_id)
        header = (b"x-request-id", request_id.encode())
        status = 0
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._record(scope, request_id, status, time.perf_counter() - started)

    def _record(self, scope: Scope, request_id: str, status: int, elapsed: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        counter = self._counters.get((method, status))
        if counter is None:
            counter = self._counters[method, status] = REQUESTS.labels(method, str(status))
        counter.inc()
        SECONDS.observe(elapsed)
        if scope["path"] not in _QUIET_PATHS:
            self._log.request(
                request_id=request_id,
                method=method,
                path=scope["path"][:200],
                status=status,
                milliseconds=elapsed * 1000,
                flow=scope.get("state", {}).get("flow", ""),
            )


def _sent_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if _ACCEPTED.fullmatch(value) else None
    return None
