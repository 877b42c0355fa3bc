"""A client on one connection to an app, without a socket, and with a clock that passes when it is told."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from shared.web.protocol import BoundedHttpToolsProtocol

IDLE_SECONDS = 75


class _Timer:
    """A call that is due at a time."""

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Hours:
    """The running event loop, but for its time."""

    def __init__(self) -> None:
        """Begin at some time."""
        self.now = 1000.0
        self.timers: list[_Timer] = []

    def time(self) -> float:
        """Return what a loop's clock says."""
        return self.now

    def call_later(self, seconds: float, call: Callable[..., None], *arguments: object) -> _Timer:
        """Remember a call."""
        timer = _Timer(self.now + seconds, lambda: call(*arguments))
        self.timers.append(timer)
        return timer

    def create_task(self, work: Any) -> asyncio.Task[Any]:
        """Make a task of the loop that really runs."""
        return asyncio.get_running_loop().create_task(work)

    def waiting(self) -> list[_Timer]:
        """Return the calls that are to come."""
        return [timer for timer in self.timers if not timer.is_cancelled]

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is due happen."""
        self.now += seconds
        for timer in [timer for timer in self.waiting() if timer.due <= self.now]:
            self.timers.remove(timer)
            timer.call()


class Wire(asyncio.Transport):
    """The server's end of the connection; keeps what is written."""

    def __init__(self) -> None:
        """Begin open, with nothing written."""
        super().__init__()
        self.written = b""
        self.wrote = asyncio.Event()
        self.closed = False
        self.aborted = False
        self.unread = 0

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written += bytes(data)
        self.wrote.set()

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.closed

    def close(self) -> None:
        """Close it."""
        self.closed = True

    def abort(self) -> None:
        """Reset it."""
        self.closed = self.aborted = True

    def get_write_buffer_size(self) -> int:
        """Return how much was not read, as the test says."""
        return self.unread

    def pause_reading(self) -> None:
        """Go on: tests send what they want to."""

    def resume_reading(self) -> None:
        """Go on."""


class Visit:
    """The connection, from its beginning."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the app that answers."""
        self.hours, self.wire = Hours(), Wire()
        config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_keep_alive=IDLE_SECONDS)
        config.load()
        loop = cast(asyncio.AbstractEventLoop, self.hours)
        self.protocol = BoundedHttpToolsProtocol(config, ServerState(), {}, _loop=loop)
        self.protocol.connection_made(self.wire)

    async def send(self, *parts: bytes) -> None:
        """Send bytes that arrive in these parts; whoever can go on with one does so before the next."""
        for part in parts:
            self.protocol.data_received(part)
            for _ in range(10):
                await asyncio.sleep(0)

    async def ask(self, request: bytes) -> bytes:
        """Send a request, and return what is written next."""
        self.wire.written = b""
        self.wire.wrote.clear()
        self.protocol.data_received(request)
        await self.wire.wrote.wait()
        return self.wire.written
