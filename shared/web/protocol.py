"""uvicorn's HTTP protocol with bounds: on a request's head, in bytes and time, and on connections.

uvicorn collects request line and headers without limit before any application sees them, and waits for
them for ever. Body bytes and their time are bounded in `shared.web.limits`. Its own answer on a connection
too many tells no client when to come back: here the application hears of it, and answers as under overload.
"""

import asyncio
import socket
from http import HTTPStatus
from typing import Any, ClassVar, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.refusals.refusal import Refusal
from shared.refusals.transport import LARGE_HEAD, SLOW_HEAD
from shared.web.answering import Cycle
from shared.web.limits import WHOLE
from shared.web.overload import CROWDED, Overload

_ACCEPTED_AT_ONCE = 64

_accepting: set["asyncio.Task[Any]"] = set()


def _accepted(task: "asyncio.Task[Any]") -> None:
    _accepting.discard(task)
    # The client may be gone already.
    if not task.cancelled():
        task.exception()


class BoundedHttpToolsProtocol(HttpToolsProtocol):
    """Answers 431 or 408 and closes the connection when a head is too large or too slow."""

    head_bytes = 64 * 1024
    """Most bytes of a head that is not complete; one that arrives complete is judged by the middleware."""

    head_seconds = 10.0
    """Longest time from a connection, or from the first byte of a later request, to the end of the head."""

    overload: ClassVar[Overload | None] = None
    """Is told of each request that waits for its turn."""

    listener: ClassVar[socket.socket | None] = None
    """Whose further connections are taken along; not blocking."""

    accepts_more = True
    """Whether this connection came from the event loop."""

    def __init__(self, *arguments: Any, **named_arguments: Any) -> None:
        """Take what uvicorn gives."""
        super().__init__(*arguments, **named_arguments)
        self._head_size = 0
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None
        self._most = self.limit_concurrency
        # Counted here alone: uvicorn counts requests with it too.
        self.limit_concurrency = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)  # type: ignore[arg-type] # uvicorn narrows it likewise
        if self._most is not None and len(self.connections) > self._most:
            self.app = _Crowded(self.app)
            if len(self.connections) > 2 * self._most:
                # Not even an answer: whoever opened so many does not read it.
                self.transport.abort()
                return
        self._begin_head()
        if self.accepts_more and self.listener is not None:
            self._accept_more(self.listener)

    def _accept_more(self, listener: socket.socket) -> None:
        """Take further connections at once: uvloop takes one each time around.

        Under load that is once for every request under way, and new connections, an orchestrator's probes
        among them, would wait for seconds behind the old ones.
        """
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, _address = listener.accept()
            except OSError:
                return
            accepted.setblocking(False)
            task = self.loop.create_task(self.loop.connect_accepted_socket(self._sibling, accepted))
            _accepting.add(task)
            task.add_done_callback(_accepted)

    def _sibling(self) -> "BoundedHttpToolsProtocol":
        protocol = type(self)(
            config=self.config, server_state=self.server_state, app_state=self.app_state, _loop=self.loop
        )
        protocol.accepts_more = False
        return protocol

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and count it as long as it belongs to a head."""
        super().data_received(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > self.head_bytes:
                self._refuse(LARGE_HEAD)

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a head."""
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        """Hand the request over; its head is complete. What is raised here is answered with 400."""
        self._end_head()
        _check_target(self.url, self.headers)
        begun = len(self.tasks)
        super().on_headers_complete()
        # uvicorn leaves no other way to put it in. It has not begun: its task was just made.
        self.cycle.__class__ = Cycle
        # A request behind another one on its connection gets its task, and its turn, later.
        if self.overload is not None and len(self.tasks) > begun:
            self.overload.arrived(cast(Scope, self.scope))

    def on_message_complete(self) -> None:
        """Tell whoever reads the body that there is nothing more to wait for."""
        super().on_message_complete()
        cast(Scope, self.scope)[WHOLE] = True

    def _begin_head(self) -> None:
        self._in_head = True
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._refuse, SLOW_HEAD)

    def _end_head(self) -> None:
        self._in_head = False
        self._head_size = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, refusal: Refusal) -> None:
        self._end_head()
        if self.transport.is_closing():
            return
        # uvicorn declares it as always there; before the first request it is None.
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            status = HTTPStatus(refusal.status)
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode("ascii"))
        self.transport.close()


class _Crowded:
    """Marks the request of a connection too many, and closes the connection after the answer."""

    def __init__(self, app: Any) -> None:
        self._app: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app({**scope, CROWDED: True}, receive, closing_send)


def _check_target(target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse a whole URL as target that names another host than the Host header does.

    RFC 9112 section 3.2.2 lets the URL win; uvicorn drops its host and the rest of us see the header, so that
    a proxy could check one name and this server another.

    Raises:
        ValueError: they differ, or the target is neither a path nor a URL.
    """
    if target.startswith(b"/") or target == b"*":
        return
    authority = target.partition(b"://")[2].partition(b"/")[0].lower()
    if not authority or [authority] != [value.strip().lower() for name, value in headers if name == b"host"]:
        raise ValueError("the request target names another host")
