"""Where one request ends and the next begins, so that no two programs read it differently (RFC 9112)."""

import pytest

from shared.web.protocol import BoundedHttpToolsProtocol
from tests.requirements import requirement
from tests.support.raw_http import answer_to, request, served

pytestmark = pytest.mark.anyio

SMUGGLED = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
OK = b"HTTP/1.1 200 "


def post(body: bytes, *headers: bytes) -> bytes:
    return request(b"/", *headers).replace(b"GET", b"POST") + body


@requirement("J201")
@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b"identity, chunked", b"x", b"chunked, identity"])
async def test_a_length_and_a_coding_together_are_refused_and_the_connection_ends(coding: bytes) -> None:
    length, chunked = b"Content-Length: 5", b"Transfer-Encoding: " + coding
    async with served(BoundedHttpToolsProtocol) as port:
        for headers in ((length, chunked), (chunked, length)):
            answer = await answer_to(port, post(SMUGGLED, *headers))
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert answer.count(b"HTTP/1.1 ") == 1
        assert (await answer_to(port, post(b"0\r\n\r\n", b"Transfer-Encoding: chunked"))).startswith(OK)
        assert (await answer_to(port, post(b"hello", length))).startswith(OK)


@requirement("J202")
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"ab", (b"Content-Length: 1", b"Content-Length: 2")),
        (b"abcde", (b"Content-Length: +5",)),
        (b"abcde", (b"Content-Length: 0x5",)),
        (b"abcde", (b"Content-Length: 5, 5",)),
        (b"0x1\r\na\r\n0\r\n\r\n", (b"Transfer-Encoding: chunked",)),
        (b"-1\r\na\r\n0\r\n\r\n", (b"Transfer-Encoding: chunked",)),
        (b"fffffffffffffffff\r\na\r\n0\r\n\r\n", (b"Transfer-Encoding: chunked",)),
        (b"1\nab\n0\n\n", (b"Transfer-Encoding: chunked",)),
        (b"", (b"Name : with a blank",)),
        (b"", (b"Folded: a\r\n b",)),
    ],
)
async def test_an_odd_length_chunk_or_header_is_refused(body: bytes, headers: tuple[bytes, ...]) -> None:
    async with served(BoundedHttpToolsProtocol) as port:
        assert (await answer_to(port, post(body, *headers))).startswith(b"HTTP/1.1 400 ")


@requirement("J202")
async def test_lines_that_end_in_a_line_feed_alone_are_refused() -> None:
    async with served(BoundedHttpToolsProtocol) as port:
        assert (await answer_to(port, request().replace(b"\r\n", b"\n"))).startswith(b"HTTP/1.1 400 ")


@requirement("J203")
async def test_two_hosts_are_refused() -> None:
    async with served(BoundedHttpToolsProtocol) as port:
        assert (await answer_to(port, request(b"/", b"Host: evil.test"))).startswith(b"HTTP/1.1 400 ")


@requirement("J209")
async def test_an_old_client_is_answered_and_a_hundred_requests_at_once_are_too() -> None:
    one = request().replace(b"Connection: close\r\n", b"")
    async with served(BoundedHttpToolsProtocol) as port:
        assert (await answer_to(port, b"GET / HTTP/1.0\r\n\r\n")).startswith(OK)
        assert (await answer_to(port, one * 99 + request())).count(OK) == 100
