"""A body is read once and whole, however it arrives (RFC 9112 section 6)."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.web.limits import SHORT_BODY_BYTES, WHOLE, RequestRefusedError, read_body, short_body
from tests.support.visit import Visit

pytestmark = pytest.mark.anyio

LIMIT = 4 * SHORT_BODY_BYTES


def request(path: str, body: bytes) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(scope, receive, limit=LIMIT)
    await PlainTextResponse(f"{scope['path']}={body.decode()}")(scope, receive, send)


def bodies(written: bytes) -> list[bytes]:
    return [answer.partition(b"\r\n\r\n")[2] for answer in written.split(b"HTTP/1.1 200")[1:]]


ONE = request("/a", b"hello")
TWO = request("/1", b"first") + request("/2", b"second")
LONG = b"z" * (SHORT_BODY_BYTES + 1)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([ONE], [b"/a=hello"]),
        ([ONE[:20], ONE[20:]], [b"/a=hello"]),
        ([ONE[:-5], ONE[-5:]], [b"/a=hello"]),
        ([ONE[:-3], ONE[-3:-1], ONE[-1:]], [b"/a=hello"]),
        ([request("/e", b"")], [b"/e="]),
        ([TWO], [b"/1=first", b"/2=second"]),
        ([TWO[:-2], TWO[-2:]], [b"/1=first", b"/2=second"]),
        ([TWO[:-20], TWO[-20:]], [b"/1=first", b"/2=second"]),
        ([ONE[:-5], ONE[-5:] + TWO], [b"/a=hello", b"/1=first", b"/2=second"]),
        ([request("/l", LONG)], [b"/l=" + LONG]),
    ],
)
async def test_what_was_sent_is_read_whole(parts: list[bytes], expected: list[bytes]) -> None:
    visit = Visit(echo)
    await visit.send(*parts)
    assert bodies(visit.wire.written) == expected


async def test_what_somebody_read_already_is_not_read_again() -> None:
    async def halves(scope: Scope, receive: Receive, send: Send) -> None:
        first = await receive()
        rest = await read_body(scope, receive, limit=LIMIT)
        await PlainTextResponse(first["body"] + b"|" + rest)(scope, receive, send)

    visit = Visit(halves)
    await visit.send(ONE[:-3], ONE[-3:])
    assert bodies(visit.wire.written) == [b"he|llo"]


def test_a_short_body_has_the_same_bounds() -> None:
    scope: Scope = {"type": "http", "headers": [], WHOLE: b"12345"}
    assert short_body(scope, limit=5) == b"12345"
    with pytest.raises(RequestRefusedError):
        short_body(scope, limit=4)
    assert short_body({"type": "http", "headers": [(b"content-length", b"5")]}, limit=5) is None
    for line in ((b"content-length", b"6"), (b"content-length", b"-1"), (b"content-encoding", b"gzip")):
        with pytest.raises(RequestRefusedError):
            short_body({"type": "http", "headers": [line], WHOLE: b"1"}, limit=5)
