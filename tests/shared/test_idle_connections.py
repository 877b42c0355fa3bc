"""A connection is closed when it was idle long enough, and not before (RFC 9112 section 9.8)."""

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.web.protocol import BoundedHttpToolsProtocol
from tests.support.raw_http import answer_to, request, served
from tests.support.visit import IDLE_SECONDS, Visit

pytestmark = pytest.mark.anyio

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HELLO = PlainTextResponse("hello")


class HurriedProtocol(BoundedHttpToolsProtocol):
    """The same, which waits for no further request."""

    def __init__(self, *arguments: Any, **named_arguments: Any) -> None:
        super().__init__(*arguments, **named_arguments)
        self.timeout_keep_alive = 0


async def test_a_connection_that_is_not_used_again_is_closed() -> None:
    async with served(HurriedProtocol) as port:
        answer = await answer_to(port, request().replace(b"Connection: close\r\n", b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_it_is_closed_so_long_after_the_last_answer_and_not_after_an_earlier_one() -> None:
    visit = Visit(HELLO)
    await visit.ask(REQUEST)
    visit.hours.advance(IDLE_SECONDS - 5)
    await visit.ask(REQUEST)
    visit.hours.advance(IDLE_SECONDS - 1)
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
    await visit.ask(REQUEST)
    go.clear()
    begun.clear()
    asking = asyncio.create_task(visit.ask(REQUEST))
    await begun.wait()
    visit.hours.advance(3 * IDLE_SECONDS)
    assert not visit.wire.closed
    go.set()
    await asking
    visit.hours.advance(IDLE_SECONDS)
    assert visit.wire.closed


async def test_many_requests_need_one_timer_and_a_closed_connection_none() -> None:
    visit = Visit(HELLO)
    for _ in range(10):
        await visit.ask(REQUEST)
    assert len(visit.hours.waiting()) == 1
    visit.protocol.connection_lost(None)
    assert visit.hours.waiting() == []
