"""What one connection may hold: requests, bytes that bring nothing, answers that nobody reads, and time."""

import asyncio

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.web.protocol import BoundedHttpToolsProtocol
from shared.web.unread import LAST_SECONDS, READ_SECONDS
from tests.requirements import requirement
from tests.support.raw_http import answer_to, request, served
from tests.support.visit import IDLE_SECONDS, Visit

pytestmark = pytest.mark.anyio

HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
KIB = 1024
HELLO = PlainTextResponse("hello")


class Waiting:
    """An app that answers when it may, and remembers what it was asked."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await self.go_on.wait()
        await HELLO(scope, receive, send)


class UntilGone:
    """An app that answers nothing, and waits for the client to go."""

    def __init__(self) -> None:
        self.begun = 0
        self.told = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        while (await receive())["type"] != "http.disconnect":
            continue
        self.told += 1


def slow() -> tuple[Waiting, Visit]:
    app = Waiting()
    return app, Visit(app)


@requirement("J209")
async def test_more_requests_at_once_than_anybody_needs_end_the_connection() -> None:
    _, visit = slow()
    await visit.send(GET * (BoundedHttpToolsProtocol.most_waiting + 1))
    assert not visit.wire.closed
    await visit.send(GET)
    assert visit.wire.aborted
    assert len(visit.protocol.pipeline) <= BoundedHttpToolsProtocol.most_waiting + 1


@requirement("J209")
async def test_nothing_more_is_read_while_requests_wait_for_their_turn() -> None:
    visit = Visit(HELLO)
    visit.protocol.data_received(GET * 50)
    read_at: list[int] = []

    def resume() -> None:
        read_at.append(len(visit.protocol.pipeline))

    visit.wire.resume_reading = resume  # type: ignore[method-assign]
    for _ in range(500):
        await asyncio.sleep(0)
    assert visit.wire.written.count(b"HTTP/1.1 200 ") == 50
    assert read_at
    assert set(read_at) == {0}


async def test_when_the_last_one_in_the_line_is_served_a_client_that_goes_is_noticed() -> None:
    app, visit = slow()
    await visit.send(GET, GET)
    assert visit.protocol.flow.read_paused
    app.go_on.set()
    await visit.wire.wrote.wait()
    assert not visit.protocol.flow.read_paused


async def test_a_trailer_is_no_header() -> None:
    app, visit = slow()
    app.go_on.set()
    await visit.send(
        CHUNKED + b"5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\nHost: b\r\nExpect: 100-continue\r\n\r\n"
    )
    (scope,) = app.scopes
    assert [name for name, _ in scope["headers"]] == [b"host", b"transfer-encoding"]
    assert visit.wire.written.startswith(b"HTTP/1.1 200 ")
    assert await visit.ask(GET) != b""


NOTHING = [
    pytest.param(b"0\r\n", [b"X-A: b\r\n" * 1000], id="trailers"),
    pytest.param(b"0\r\nX-A: ", [b"b" * 8 * KIB], id="one trailer"),
    pytest.param(b"1;", [b"a" * 8 * KIB], id="an extension of a chunk"),
]


@pytest.mark.parametrize("is_answered", [False, True])
@pytest.mark.parametrize(("begin", "parts"), NOTHING)
async def test_what_is_neither_head_nor_body_is_bounded(
    begin: bytes, parts: list[bytes], is_answered: bool
) -> None:
    app, visit = slow()
    if is_answered:
        app.go_on.set()
    await visit.send(CHUNKED + begin)
    sent = 0
    while not visit.wire.closed and sent < 256 * KIB:
        await visit.send(*parts)
        sent += sum(map(len, parts))
    assert visit.wire.closed
    assert sent <= BoundedHttpToolsProtocol.head_bytes + 8 * KIB


async def test_a_long_body_in_small_chunks_is_no_such_thing() -> None:
    _, visit = slow()
    await visit.send(CHUNKED)
    for _ in range(20_000):
        visit.protocol.data_received(b"1\r\n")
        visit.protocol.data_received(b"x\r\n")
    visit.protocol.data_received(b"0\r\n\r\n")
    assert not visit.wire.closed


@pytest.mark.parametrize(
    ("asked", "later"),
    [
        (GET, b"\r\n"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n", b"x"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n", b"123456789"),
        (CHUNKED, b"1\r\n"),
    ],
)
async def test_bytes_that_are_no_request_do_not_keep_a_connection(asked: bytes, later: bytes) -> None:
    visit = Visit(HELLO)
    await visit.ask(asked)
    visit.hours.advance(IDLE_SECONDS - 1)
    await visit.send(later)
    assert not visit.wire.closed
    visit.hours.advance(1)
    assert visit.wire.closed


async def test_a_request_after_a_late_body_is_answered() -> None:
    visit = Visit(HELLO)
    await visit.ask(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n")
    await visit.send(b"123456789")
    visit.hours.advance(IDLE_SECONDS - 1)
    assert (await visit.ask(GET)).startswith(b"HTTP/1.1 200 ")
    visit.hours.advance(1)
    assert not visit.wire.closed


async def test_who_does_not_read_an_answer_is_not_waited_for() -> None:
    visit = Visit(HELLO)
    visit.wire.unread = 100 * KIB
    visit.protocol.pause_writing()
    await visit.send(GET)
    # As long as some of it is read, it may take its time.
    for _ in range(5):
        visit.wire.unread -= 1
        visit.hours.advance(READ_SECONDS)
    assert not visit.wire.closed
    visit.hours.advance(READ_SECONDS)
    assert visit.wire.aborted
    # Then the transport says so, and whoever waits to write goes on.
    visit.protocol.connection_lost(None)
    await asyncio.gather(*visit.protocol.tasks)
    assert visit.wire.written == b""


async def test_who_reads_in_the_end_is_watched_no_more() -> None:
    visit = Visit(HELLO)
    visit.wire.unread = 100 * KIB
    visit.protocol.pause_writing()
    visit.protocol.resume_writing()
    assert (await visit.ask(GET)).startswith(b"HTTP/1.1 200 ")
    visit.hours.advance(IDLE_SECONDS - 1)
    assert not visit.wire.closed


@pytest.mark.parametrize("asked", [GET, request(), b"GARBAGE\r\n\r\n"])
async def test_a_connection_that_was_closed_is_reset_when_the_rest_is_not_read(asked: bytes) -> None:
    visit = Visit(HELLO)
    visit.wire.unread = 1
    await visit.ask(asked)
    visit.hours.advance(IDLE_SECONDS)
    assert visit.wire.closed
    visit.hours.advance(LAST_SECONDS)
    assert visit.wire.aborted


async def test_what_follows_an_upgrade_that_is_not_done_is_no_request() -> None:
    app, visit = slow()
    upgrade = b"GET /1 HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    await visit.send(upgrade + b"POST /2 HTTP/1.1\r\n" + HOST, GET.replace(b"GET /", b"GET /inner"))
    app.go_on.set()
    await visit.wire.wrote.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    assert [scope["path"] for scope in app.scopes] == ["/1"]
    assert visit.wire.written.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in visit.wire.written
    assert visit.wire.closed


async def test_garbage_behind_a_request_does_not_take_the_place_of_its_answer() -> None:
    app, visit = slow()
    await visit.send(GET, b"GARBAGE\r\n\r\n")
    assert (visit.wire.written, visit.wire.closed) == (b"", False)
    app.go_on.set()
    await visit.wire.wrote.wait()
    assert visit.wire.written.startswith(b"HTTP/1.1 200 ")
    assert visit.wire.written.count(b"HTTP/1.1 ") == 1
    assert visit.wire.closed


async def test_who_waits_for_its_turn_is_dropped_with_the_client_and_who_is_served_hears_of_it() -> None:
    app = UntilGone()
    visit = Visit(app)
    await visit.send(GET, GET)
    visit.protocol.connection_lost(None)
    for _ in range(10):
        await asyncio.sleep(0)
    assert (app.begun, app.told) == (1, 1)


async def test_half_a_head_behind_a_long_answer_is_waited_for() -> None:
    app, visit = slow()
    await visit.send(GET, GET, GET[:20])
    visit.hours.advance(3 * BoundedHttpToolsProtocol.head_seconds)
    assert not visit.wire.closed
    app.go_on.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert visit.wire.written.count(b"HTTP/1.1 200 ") == 2
    visit.hours.advance(BoundedHttpToolsProtocol.head_seconds)
    assert b"HTTP/1.1 408 " in visit.wire.written


async def test_a_head_behind_a_long_body_is_not_counted_with_it() -> None:
    body = b"x" * 70 * KIB
    post = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body)
    visit = Visit(HELLO)
    await visit.send(post, body + GET[:10], GET[10:])
    assert visit.wire.written.count(b"HTTP/1.1 200 ") == 2


async def test_half_a_head_behind_many_whole_ones_is_not_counted_with_them() -> None:
    long = GET[:-2] + b"X-Header: " + b"x" * KIB + b"\r\n\r\n"
    visit = Visit(HELLO)
    await visit.send(long * 100 + GET[:10], GET[10:])
    for _ in range(1000):
        await asyncio.sleep(0)
    assert visit.wire.written.count(b"HTTP/1.1 200 ") == 101


async def test_a_head_that_has_begun_has_its_own_time() -> None:
    visit = Visit(HELLO)
    await visit.ask(GET)
    visit.hours.advance(IDLE_SECONDS - 1)
    await visit.send(GET[:10])
    visit.hours.advance(2)
    assert not visit.wire.closed
    assert (await visit.ask(GET[10:])).startswith(b"HTTP/1.1 200 ")


async def test_on_a_socket_whoever_sends_requests_without_end_is_cut_off() -> None:
    async with served(BoundedHttpToolsProtocol, UntilGone()) as port:
        assert await answer_to(port, *[GET * 100] * 4) in (b"reset", b"")
