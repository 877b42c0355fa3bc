"""One answer on its way: JSON, or an event stream from the first notification on (MCP "Streamable HTTP").

The choice is put off until a notification must go out, so that whatever is refused before still has its own
HTTP status. While a call waits for Val Town, somebody looks whether the client is still there; while a stream
is open, also whether the credential still stands.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mcp_server.protocol.jsonrpc import RequestId
from shared.web.draining import TASK

CHECK_SECONDS: Final = 1.0
"""How often the credential behind an open stream is looked at."""

KEEP_ALIVE_SECONDS: Final = 15.0
"""Longest silence of an open stream: proxies cut what is silent for half a minute."""

SEND_SECONDS: Final = 30.0
"""Longest time a client may leave an event unread."""

_SEPARATORS: Final = tuple(
    (separator.encode(), f"\\u{ord(separator):04x}".encode()) for separator in "\x85\u2028\u2029"
)


class Reply:
    """The answer to one request; belongs to the task that works on the request."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        check_seconds: float = CHECK_SECONDS,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        """Take the connection and how often to look after an open stream."""
        self._scope = scope
        self._receive = receive
        self._send = send
        self._check_seconds = check_seconds
        self._keep_alive_seconds = keep_alive_seconds
        self._headers: Mapping[str, str] = {}
        self._check: Callable[[], None] = _nothing
        self._task: asyncio.Task[object] | None = scope.get(TASK) or asyncio.current_task()
        self._companions: list[asyncio.Task[None]] = []
        self._turn: asyncio.Lock | None = None
        self._streaming = False
        self._finished = False
        self.request_id: RequestId | None = None
        """The id of the request that is answered, as soon as it is known."""
        self.abandoned = False
        """Whether the client is gone: the work on the request was cancelled for it."""
        self.lapsed: Exception | None = None
        """Why the credential no longer stands: the work on the request was cancelled for it."""

    def prepare(self, check: Callable[[], None], headers: Mapping[str, str]) -> None:
        """Take what raises as soon as the credential does not stand any more, and headers for a stream."""
        self._check = check
        self._headers = headers

    def watch(self) -> None:
        """Cancel the work as soon as the client is gone; from the first call on.

        In every revision: 2025-11-25 and older want a call to go on, because a client could come back for its
        answer, but without sessions nobody can.
        """
        if not self._companions:
            self._companions.append(asyncio.create_task(self._await_disconnect()))

    async def notify(self, message: bytes) -> None:
        """Send a notification; nothing when the client takes no event stream, or has its answer."""
        if self._finished or not (self._streaming or _takes_events(self._scope)):
            return
        async with self._next_turn():
            if not self._streaming:
                await self._begin()
            await self._write(_event(message))

    def finish(self, response: Response) -> Awaitable[None]:
        """Send the answer itself, and nothing after it."""
        self.close()
        self._finished = True
        if not self._streaming:
            return response(self._scope, self._receive, self._send)
        return self._end_stream(bytes(response.body))

    async def _end_stream(self, body: bytes) -> None:
        async with self._next_turn():
            await self._write(_event(body) if body else b"", more=False)

    def close(self) -> None:
        """Stop looking after the answer."""
        for companion in self._companions:
            companion.cancel()

    def _next_turn(self) -> asyncio.Lock:
        # Made at the first use: most answers are sent in one piece.
        self._turn = self._turn or asyncio.Lock()
        return self._turn

    async def _begin(self) -> None:
        self._streaming = True
        response = Response(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                # nginx would collect the whole stream before it passes anything on.
                "X-Accel-Buffering": "no",
                **self._headers,
            }
        )
        headers = [pair for pair in response.raw_headers if pair[0] != b"content-length"]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        self.watch()
        self._companions.append(asyncio.create_task(self._look_after()))

    async def _write(self, data: bytes, *, more: bool = True) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send({"type": "http.response.body", "body": data, "more_body": more})
        except TimeoutError:
            self._abandon()
            raise asyncio.CancelledError from None

    async def _await_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._abandon()

    async def _look_after(self) -> None:
        silent = 0.0
        while True:
            await asyncio.sleep(self._check_seconds)
            try:
                self._check()
            except Exception as error:
                self.lapsed = error
                self._cancel()
                return
            silent += self._check_seconds
            if silent >= self._keep_alive_seconds:
                silent = 0.0
                async with self._next_turn():
                    await self._write(b": keep-alive\n\n")

    def _abandon(self) -> None:
        self.abandoned = True
        self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


def _event(message: bytes) -> bytes:
    """Return an event of one line: JSON escapes what ends a line of the stream, and this what many readers
    take for one (NEL, line and paragraph separator)."""
    for separator, escaped in _SEPARATORS:
        message = message.replace(separator, escaped)
    return b"event: message\ndata: " + message + b"\n\n"


def _takes_events(scope: Scope) -> bool:
    return any(
        name == b"accept" and b"text/event-stream" in value.lower() for name, value in scope["headers"]
    )


def _nothing() -> None:
    pass
