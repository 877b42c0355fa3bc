"""Names each request, logs one line about it, and counts it."""

import re
import secrets
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.audit import acting
from shared.logs import get_logger
from shared.metrics import METHODS, REQUEST_SECONDS, REQUESTS, REQUESTS_IN_FLIGHT
from shared.series import OTHER, Count, Timing

_ACCEPTED = re.compile(rb"[A-Za-z0-9][A-Za-z0-9\-]{7,63}")

ROUTE = "val_town.route"
"""In the ASGI scope: the route template of a request that is not routed by FastAPI."""

QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for every few seconds by machines: neither a line in the log nor a span."""


class RequestIdMiddleware:
    """Puts `X-Request-Id` on the answer and `request_id` on every log line of the request.

    An id sent by a proxy is kept when it has the shape of one. The log line holds the path, never the query:
    codes and states travel there.
    """

    def __init__(self, app: ASGIApp, *, namespace: str) -> None:
        """Take the wrapped app and the namespace of the log line."""
        self._app = app
        self._log = get_logger(namespace)
        self._series: dict[tuple[str, str, int], tuple[Count, Timing]] = {}
        self._in_flight = REQUESTS_IN_FLIGHT.of()
        self._in_flight.value = self._in_flight.value or 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _sent_id(scope) or secrets.token_hex(8)
        # A server may answer one request after another in the same context.
        structlog.contextvars.unbind_contextvars("flow")
        structlog.contextvars.bind_contextvars(request_id=request_id)
        acting.begin(request_id)
        header = (b"x-request-id", request_id.encode())
        status = 0
        in_flight = self._in_flight
        in_flight.value += 1  # type: ignore[operator] # __init__ made it a number
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
            in_flight.value -= 1
            self._record(scope, request_id, status, time.perf_counter() - started)

    def _record(self, scope: Scope, request_id: str, status: int, elapsed: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else OTHER
        route = route_of(scope)
        series = self._series.get((method, route, status))
        if series is None:
            found = REQUESTS.of(method, route, str(status)), REQUEST_SECONDS.of(route)
            series = self._series[method, route, status] = found
        count, timing = series
        count.value += 1
        timing.observe(elapsed)
        if scope["path"] not in QUIET_PATHS:
            self._log.request(
                request_id=request_id,
                method=method,
                path=scope["path"][:200],
                status=status,
                milliseconds=elapsed * 1000,
                flow=scope.get("state", {}).get("flow", ""),
            )


def route_of(scope: Scope) -> str:
    """Return the route template of a request that was routed, without a prefix; else `other`."""
    # Never the path: a stranger can ask for any number of them.
    route: str | None = scope.get(ROUTE)
    return route or str(getattr(scope.get("route"), "path_format", OTHER))


def _sent_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if _ACCEPTED.fullmatch(value) else None
    return None
