"""Sheds what would only wait: the answer is 503 with `Retry-After`, at once.

All requests of a process share one core and one pool of connections to the store. What says that they are
too many is how long a new one waited for its turn in the event loop, or that every connection is in use.
Their number does not: hundreds may wait for Val Town, or for a slow client's body, and cost nothing. But it
must not be small: a single stall is no overload.

This is the outermost layer and goes around all others, because under load each of them costs: it writes no
log line for each, makes no request id, and has headers of its own.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.logs import get_logger
from shared.metrics import SHED
from shared.retry_after import jittered

HEALTH_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Always answered: an orchestrator that gets no answer kills what is only busy."""

CROWDED: Final = "val_town.crowded"
"""In the scope of a request on a connection beyond the number that this process takes."""

RESERVE: Final = 64
"""How many more requests of the kind that comes first are taken when all other places are full."""

_ARRIVED: Final = "val_town.arrived"
_WAIT_SECONDS: Final = 3
_LONGEST_WAIT_SECONDS: Final = 10
_REFUSALS_A_SECOND_MORE: Final = 100
"""So many refusals a second make the longest wait that clients are told a second longer.

Thousands who come back within three seconds would only be refused again, and keep others from being served.
"""

_log = get_logger("web:overload")


@dataclass(frozen=True, slots=True)
class OverloadPolicy:
    """When a service refuses, and how.

    `answer`: makes the 503 for a path; headers are added. `first`: paths that are refused last, because what
    takes access away must get through. `few`: so many at once are always taken. Beyond, `wait_seconds` is
    the longest wait for a turn (the time of an answer under load is a small multiple of it), and `saturated`
    tells whether there is no use in more. `most`: requests at once, whatever they wait for.
    """

    answer: Callable[[str], Response]
    first: frozenset[str] = field(default_factory=frozenset)
    saturated: Callable[[], bool] = lambda: False
    wait_seconds: float = 0.05
    few: int = 32
    most: int = 1024


class Overload:
    """Takes what it can serve soon. An event stream does not count from its beginning on: then it waits."""

    def __init__(
        self, app: ASGIApp, policy: OverloadPolicy, *, now: Callable[[], float] = time.perf_counter
    ) -> None:
        """Take the wrapped app, when to refuse, and a clock in seconds."""
        self._app = app
        self._now = now
        self._policy = policy
        self._waiting = 0
        self._under_way = 0
        self._shed = self._shed_before = 0
        self._second = 0

    def arrived(self, scope: Scope) -> None:
        """Count a request whose task was made and has not begun."""
        scope[_ARRIVED] = self._now()
        self._waiting += 1

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle one ASGI connection."""
        waited = 0.0
        if _ARRIVED in scope:
            self._waiting -= 1
            waited = self._now() - scope[_ARRIVED]
        if scope["type"] != "http" or scope["path"] in HEALTH_PATHS:
            return self._app(scope, receive, send)
        if self._has_room(scope, waited):
            return self._take(scope, receive, send)
        self._count()
        return self._refusal(scope["path"])(scope, receive, send)

    def _has_room(self, scope: Scope, waited: float) -> bool:
        policy = self._policy
        if scope["path"] in policy.first:
            return self._under_way < policy.most + RESERVE
        if CROWDED in scope or self._under_way >= policy.most:
            return False
        if self._under_way + self._waiting < policy.few:
            return True
        return waited <= policy.wait_seconds and not policy.saturated()

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = 1
        self._under_way += 1

        def watching_send(message: Message) -> Awaitable[None]:
            nonlocal place
            if place and message["type"] == "http.response.start" and _is_stream(message):
                place = 0
                self._under_way -= 1
            return send(message)

        try:
            await self._app(scope, receive, watching_send)
        finally:
            self._under_way -= place

    def _refusal(self, path: str) -> Response:
        response = self._policy.answer(path)
        response.headers["Retry-After"] = str(jittered(self._longest_wait()))
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        # Nobody was asked who they are, so any page may read it.
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = "Retry-After"
        return response

    def _count(self) -> None:
        SHED.inc()
        second = int(self._now())
        if second != self._second:
            # Of the second before, if that was one with refusals.
            self._shed_before = self._shed if second == self._second + 1 else 0
            _log.warning("overloaded", refused_before=self._shed_before, under_way=self._under_way)
            self._second, self._shed = second, 0
        self._shed += 1

    def _longest_wait(self) -> int:
        refused = max(self._shed, self._shed_before)
        return min(_LONGEST_WAIT_SECONDS, _WAIT_SECONDS + refused // _REFUSALS_A_SECOND_MORE)


def _is_stream(start: Message) -> bool:
    for name, value in start.get("headers", ()):
        if name == b"content-type":
            return bool(value.startswith(b"text/event-stream"))
    return False
