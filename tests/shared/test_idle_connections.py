"""A connection is closed when it was idle long enough, and not before (RFC 9112 section 9.8)."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from shared.web.protocol import BoundedHttpToolsProtocol
from tests.support.raw_http import answer_to, request, served

pytestmark = pytest.mark.anyio

IDLE = 75
HELLO = PlainTextResponse("hello")
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class HurriedProtocol(BoundedHttpToolsProtocol):
    """The same, which waits for no further request."""

    def __init__(self, *arguments: Any, **named_arguments: Any) -> None:
        super().__init__(*arguments, **named_arguments)
        self.timeout_keep_alive = 0


class Timer:
    """A call that is due at a time."""

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Hours:
    """The running event loop, but for its time, which passes when it is told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[..., None], *arguments: object) -> Timer:
        timer = Timer(self.now + seconds, lambda: call(*arguments))
        self.timers.append(timer)
        return timer

    def create_task(self, work: Any) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(work)

    def waiting(self) -> list[Timer]:
        return [timer for timer in self.timers if not timer.is_cancelled]

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for timer in [timer for timer in self.waiting() if timer.due <= self.now]:
            self.timers.remove(timer)
            timer.call()


class Wire(asyncio.Transport):
    """A connection that notes that something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = asyncio.Event()
        self.closed = False

    def write(self, data: Any) -> None:
        self.answered.set()

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None


class Visit:
    """A client on one connection to an app."""

    def __init__(self, app: ASGIApp = HELLO) -> None:
        self.hours, self.wire = Hours(), Wire()
        config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_keep_alive=IDLE)
        config.load()
        loop = cast(asyncio.AbstractEventLoop, self.hours)
        self.protocol = BoundedHttpToolsProtocol(config, ServerState(), {}, _loop=loop)
        self.protocol.connection_made(self.wire)

    async def ask(self) -> None:
        self.wire.answered.clear()
        self.protocol.data_received(REQUEST)
        await self.wire.answered.wait()


async def test_a_connection_that_is_not_used_again_is_closed() -> None:
    async with served(HurriedProtocol) as port:
        answer = await answer_to(port, request().replace(b"Connection: close\r\n", b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_it_is_closed_so_long_after_the_last_answer_and_not_after_an_earlier_one() -> None:
    visit = Visit()
    await visit.ask()
    visit.hours.advance(IDLE - 5)
    await visit.ask()
    visit.hours.advance(IDLE - 1)
    assert not visit.wire.closed
    visit.hours.advance(1)
    assert visit.wire.closed


async def test_a_request_that_takes_longer_is_not_cut_off() -> None:
    go, begun = asyncio.Event(), asyncio.Event()
    go.set()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await go.wait()
        await HELLO(scope, receive, send)

    visit = Visit(slow)
    await visit.ask()
    go.clear()
    begun.clear()
    asking = asyncio.create_task(visit.ask())
    await begun.wait()
    visit.hours.advance(3 * IDLE)
    assert not visit.wire.closed
    go.set()
    await asking
    visit.hours.advance(IDLE)
    assert visit.wire.closed


async def test_many_requests_need_one_timer_and_a_closed_connection_none() -> None:
    visit = Visit()
    for _ in range(10):
        await visit.ask()
    assert len(visit.hours.waiting()) == 1
    visit.protocol.connection_lost(None)
    assert visit.hours.waiting() == []
