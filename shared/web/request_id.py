"""Names each request; logs one line about it, and counts it."""

import itertools
import re
import secrets
from typing import Final

from starlette.types import Scope

from shared.logs import get_logger
from shared.metrics import METHODS, REQUEST_SECONDS, REQUESTS
from shared.series import OTHER, Count, Timing

_ACCEPTED: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9\-]{7,63}")

ROUTE: Final = "val_town.route"
"""In the ASGI scope: the route template of a request that is not routed by FastAPI."""

QUIET_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for every few seconds by machines: neither a line in the log nor a span."""

MAX_PATH: Final = 200
"""Characters of a path that the log keeps."""


def accepted_id(sent: bytes) -> str | None:
    """Return the id that a proxy sent as X-Request-Id, if it has the shape of one."""
    return sent.decode() if _ACCEPTED.fullmatch(sent) else None


_PROCESS: Final = secrets.token_hex(4)
_numbers: Final = itertools.count(secrets.randbits(24))


def new_id() -> str:
    """Return an id for a request: 16 hexadecimal digits, eight of the process and eight that count."""
    return f"{_PROCESS}{next(_numbers) & 0xFFFFFFFF:08x}"


class RequestRecorder:
    """Counts requests and writes their lines: the path, never the query, in which codes and states travel."""

    def __init__(self, namespace: str) -> None:
        """Take the namespace of the log lines."""
        self._log = get_logger(namespace)
        self._series: dict[tuple[str, str, int], tuple[Count, Timing]] = {}

    def record(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        """Record a request that was answered with an HTTP status; 0: the connection ended before that."""
        method, route = scope["method"], route_of(scope)
        series = self._series.get((method, route, status))
        if series is None:
            series = self._find(method if method in METHODS else OTHER, route, status)
        count, timing = series
        count.value += 1
        timing.observe(seconds)
        path = scope["path"]
        if path not in QUIET_PATHS:
            method = method if method in METHODS else OTHER
            state = scope.get("state")
            flow = state.get("flow", "") if state else ""
            self._log.request(request_id, method, path[:MAX_PATH], status, seconds * 1000, flow)

    def _find(self, method: str, route: str, status: int) -> tuple[Count, Timing]:
        series = REQUESTS.of(method, route, str(status)), REQUEST_SECONDS.of(route)
        self._series[method, route, status] = series
        return series


def route_of(scope: Scope) -> str:
    """Return the route template of a request that was routed, without a prefix; else `other`."""
    # Never the path: a stranger can ask for any number of them.
    route: str | None = scope.get(ROUTE)
    return route or str(getattr(scope.get("route"), "path_format", OTHER))
