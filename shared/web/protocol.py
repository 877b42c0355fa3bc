"""uvicorn's HTTP protocol with bounds on a request's head: its bytes, and the time until it is complete.

uvicorn collects request line and headers without limit before any application sees them, and waits for them
for ever. Body bytes and their time are bounded in `shared.web.limits`.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.refusals.refusal import Refusal
from shared.refusals.transport import LARGE_HEAD, SLOW_HEAD


class BoundedHttpToolsProtocol(HttpToolsProtocol):
    """Answers 431 or 408 and closes the connection when a head is too large or too slow."""

    head_bytes = 64 * 1024
    """Most bytes of a head that is not complete; one that arrives complete is judged by the middleware."""

    head_seconds = 10.0
    """Longest time from a connection, or from the first byte of a later request, to the end of the head."""

    def __init__(self, *arguments: Any, **named_arguments: Any) -> None:
        """Take what uvicorn gives."""
        super().__init__(*arguments, **named_arguments)
        self._head_size = 0
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)  # type: ignore[arg-type] # uvicorn narrows it likewise
        self._begin_head()

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
        super().on_headers_complete()

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
