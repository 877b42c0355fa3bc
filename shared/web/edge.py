"""What every request and every answer of a service goes through, in one layer.

In this order: the request gets an id, is counted, and has its line in the log; every answer has the headers
of security and of CORS; a head that is too large is refused; preflights are answered; a bug becomes 500.

It is one layer, and not one for each, because every layer costs every request two coroutines, a look through
its headers and a new list of them.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.audit import acting
from shared.logs import get_logger
from shared.metrics import REQUESTS_IN_FLIGHT
from shared.web.cors import CorsRules
from shared.web.fields import HeaderFields
from shared.web.limits import refused_head
from shared.web.request_id import RequestRecorder, accepted_id, new_id
from shared.web.security_headers import RawHeaders


class Edge:
    """The layer, around one application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        namespace: str,
        security: RawHeaders,
        cors: CorsRules,
        on_bug: Callable[[Scope], Response],
    ) -> None:
        """Take the wrapped app and what is done for it.

        Args:
            app: the wrapped app.
            namespace: of the log lines of requests.
            security: headers of every answer that does not set them itself.
            cors: which answers other origins may read.
            on_bug: makes the answer to a request that an exception ended.
        """
        self._app = app
        self._security: Final = list(security)
        self._overridable: Final = frozenset(name for name, _ in security)
        self._cors = cors
        self._on_bug = on_bug
        self._recorder = RequestRecorder(namespace)
        self._log = get_logger(namespace)
        self._in_flight = REQUESTS_IN_FLIGHT.of()
        self._in_flight.value = self._in_flight.value or 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fields = HeaderFields.of(scope)
        request_id = _sent_id(fields) or new_id()
        acting.begin(request_id)
        answer = _Answer(send, self._overridable, [(b"x-request-id", request_id.encode()), *self._security])
        self._in_flight.value += 1  # type: ignore[operator] # __init__ made it a number
        started = time.perf_counter()
        try:
            early = self._answer_early(scope, fields, answer)
            await (self._app if early is None else early)(scope, receive, answer.send)
        except Exception:
            self._log.exception("unexpected error")
            if answer.status:
                # Half an answer is out; only closing the connection tells the client so.
                raise
            # FastAPI's own handler sits outside of this layer, and of its headers.
            await self._on_bug(scope)(scope, receive, answer.send)
        finally:
            self._in_flight.value -= 1
            self._recorder.record(scope, request_id, answer.status, time.perf_counter() - started)

    def _answer_early(self, scope: Scope, fields: HeaderFields, answer: "_Answer") -> Response | None:
        """Return the answer to what goes no further; tell every answer what another origin may read."""
        rule = self._cors.of(scope["path"]) if fields.all(b"origin") else None
        if rule is not None:
            answer.added += rule.headers
        refused = refused_head(scope)
        if refused is not None:
            body = {"error": "invalid_request", "error_description": refused.reason}
            return JSONResponse(body, refused.status)
        return rule.preflight() if rule is not None and rule.is_preflight(scope) else None


def _sent_id(fields: HeaderFields) -> str | None:
    return next(filter(None, map(accepted_id, fields.all(b"x-request-id"))), None)


class _Answer:
    """Passes an answer on, with the headers that it lacks."""

    __slots__ = ("_overridable", "_send", "added", "status")

    def __init__(self, send: Send, overridable: frozenset[bytes], added: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._overridable = overridable
        self.added = added
        self.status = 0
        """0 until the answer begins."""

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = message.get("headers", ())
            added = self.added
            if not self._overridable.isdisjoint(name for name, _ in given):
                own = {name for name, _ in given}
                added = [header for header in added if header[0] not in own]
            message["headers"] = [*given, *added]
        # Not a coroutine of its own: there are two for each request.
        return self._send(message)
