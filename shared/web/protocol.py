"""uvicorn's HTTP protocol with bounds: on a request's head, in bytes and time, and on connections.

uvicorn collects request line and headers without limit before any application sees them, and waits for
them for ever; as it does for whoever does not read an answer (`shared.web.unread`). It takes as many requests
on one connection as come, and trailers for headers. Body bytes and their time are bounded in
`shared.web.limits`. Its own answer on a connection too many tells no client when to come back: here the
application hears of it, and answers as under overload.
"""

import asyncio
import socket
from http import HTTPStatus
from typing import Any, ClassVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from shared.refusals.refusal import Refusal
from shared.refusals.transport import LARGE_HEAD, SLOW_HEAD
from shared.web.answering import EXTENSIONS, Cycle
from shared.web.draining import TASK
from shared.web.limits import SHORT_BODY_BYTES, WHOLE
from shared.web.overload import CROWDED, Overload
from shared.web.unread import Unread

_ACCEPTED_AT_ONCE = 64

_TICK = 0.01
"""Seconds by which a timer may be early."""

_accepting: set["asyncio.Task[Any]"] = set()


def _accepted(task: "asyncio.Task[Any]") -> None:
    _accepting.discard(task)
    # The client may be gone already.
    if not task.cancelled():
        task.exception()


class BoundedHttpToolsProtocol(HttpToolsProtocol):
    """Answers 431 or 408 and closes the connection when a head is too large or too slow."""

    head_bytes = 64 * 1024
    """Most bytes that bring nothing: of a head that is not complete, of what is neither head nor body.

    A head that arrives complete is judged by the middleware.
    """

    head_seconds = 10.0
    """Longest time from a connection, or from the first byte of a later request, to the end of the head."""

    most_waiting = 128
    """Requests on one connection that wait for the answer to those before (RFC 9112 section 9.3.2)."""

    overload: ClassVar[Overload | None] = None
    """Is told of each request that waits for its turn."""

    listener: ClassVar[socket.socket | None] = None
    """Whose further connections are taken along; not blocking."""

    accepts_more = True
    """Whether this connection came from the event loop."""

    def __init__(self, *arguments: Any, **named_arguments: Any) -> None:
        """Take what uvicorn gives."""
        super().__init__(*arguments, **named_arguments)
        self._idle_bytes = 0
        self._brought_nothing = True
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None
        self._idle_since: float | None = None
        self._running: RequestResponseCycle | None = None
        self._unread: Unread
        self._most = self.limit_concurrency
        # Counted here alone: uvicorn counts requests with it too.
        self.limit_concurrency = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)  # type: ignore[arg-type] # uvicorn narrows it likewise
        self._unread = Unread(self.transport, self.loop)
        if self._most is not None and len(self.connections) > self._most:
            self.app = _Crowded(self.app)
            if len(self.connections) > 2 * self._most:
                # Not even an answer: whoever opened so many does not read it.
                self.transport.abort()
                return
        self._wait_for_head()
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
        """Stop waiting, and tell the request that is being answered; uvicorn tells the newest one."""
        self._end_head()
        self._unread.forget()
        super().connection_lost(exc)
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def pause_writing(self) -> None:
        """Wait for the client to read, and not for ever."""
        super().pause_writing()
        self._unread.watch()

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._unread.forget()

    def data_received(self, data: bytes) -> None:
        """Take what came, and count it as long as it brings nothing."""
        self._brought_nothing = True
        super().data_received(data)
        self._idle_bytes = self._idle_bytes + len(data) if self._brought_nothing else 0
        if self._idle_bytes > self.head_bytes:
            self._refuse(LARGE_HEAD)
        elif self._in_head:
            # Not before: most heads are there at once, and a timer for each is dear.
            self._wait_for_head()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head = True
        self._idle_since = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of a head; one behind the body is a trailer, and no header (RFC 9110 section 6.5.1)."""
        if not self._in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand the request over; its head is complete. What is raised here is answered with 400."""
        self._end_head()
        if not self.url.startswith(b"/"):
            _check_target(self.url, self.headers)
        super().on_headers_complete()
        if len(self.pipeline) > self.most_waiting:
            self.transport.abort()
            raise ValueError("too many requests at once")

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._brought_nothing = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Tell whoever reads the body that it is all there, and what is unread of it if that is short."""
        super().on_message_complete()
        scope: Any = self.scope
        body = self.cycle.body
        scope[WHOLE] = bytes(body) if len(body) <= SHORT_BODY_BYTES else None

    def on_response_complete(self) -> None:
        """Begin the next request that waits on this connection; without one it is idle from now on."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._unread.close()
            return
        following = self.pipeline.pop() if self.pipeline else None
        if not self.pipeline:
            # While requests wait for their turn not a byte more is read.
            self.flow.resume_reading()
        if following is not None:
            self._start_asgi_task(*following)
            return
        self._idle_since = self.loop.time()
        # One timer for many requests: uvicorn makes one after each, and cancels it at the next.
        if self.timeout_keep_alive_task is None:
            self._wait_for_request(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it was idle all the time."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > _TICK:
            self._wait_for_request(left)
        else:
            self._unread.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read; the answers to requests before it go first."""
        if self.transport.is_closing():
            return
        if self.pipeline or (self._is_busy() and not self.cycle.more_body):
            self.flow.pause_reading()
            self.cycle.keep_alive = False
            return
        if self._is_busy() and self.cycle.response_started:
            self.transport.abort()
            return
        super().send_400_response(msg)
        self._unread.close()

    def _unset_keepalive_if_required(self) -> None:
        # Not at any byte, as uvicorn does it: a request begins with its first one.
        pass

    def _unsupported_upgrade_warning(self) -> None:
        # The answer is that of a server without upgrades. What followed in the same bytes is lost: the parser
        # took it for another protocol.
        self.cycle.keep_alive = False

    def _is_busy(self) -> bool:
        # uvicorn declares it as always there; before the first request it is None.
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _wait_for_request(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._idle_since = None
        self._running = cycle
        # uvicorn leaves no other way to put it in. One behind another comes here when it has its turn.
        cycle.__class__ = Cycle
        scope: Any = cycle.scope
        scope["extensions"] = EXTENSIONS
        task = scope[TASK] = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        if self.overload is not None:
            self.overload.arrived(scope)

    def _wait_for_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._is_busy():
            # It may wait here, behind a request that is still being answered.
            self._wait_for_head()
        else:
            self._refuse(SLOW_HEAD)

    def _end_head(self) -> None:
        self._in_head = False
        self._brought_nothing = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, refusal: Refusal) -> None:
        self._end_head()
        if self.transport.is_closing():
            return
        if not self._is_busy():
            status = HTTPStatus(refusal.status)
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode("ascii"))
        self._unread.close()


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
    if target == b"*":
        return
    authority = target.partition(b"://")[2].partition(b"/")[0].lower()
    if not authority or [authority] != [value.strip().lower() for name, value in headers if name == b"host"]:
        raise ValueError("the request target names another host")
