"""Bounds on what precedes a request's body, on a real socket (RFC 6585 section 5, RFC 9110 section 15.5)."""

import pytest

from shared.web.limits import MAX_HEADER_BYTES, MAX_TARGET_BYTES
from shared.web.protocol import BoundedHttpToolsProtocol
from tests.requirements import requirement
from tests.support.raw_http import answer_to, request, served

pytestmark = pytest.mark.anyio


class ImpatientProtocol(BoundedHttpToolsProtocol):
    """The same, for tests that wait for the deadline."""

    head_seconds = 0.05


async def test_an_ordinary_request_is_answered() -> None:
    async with served(ImpatientProtocol) as port:
        answer = await answer_to(port, request(b"/path?query=1", b"X-Header: " + b"x" * 1000))
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_head_that_does_not_end_is_cut_off() -> None:
    async with served(BoundedHttpToolsProtocol) as port:
        answer = await answer_to(port, request()[:-2], *[b"X-Header: " + b"x" * 8000 + b"\r\n"] * 40)
    assert answer == b"reset" or answer.startswith(b"HTTP/1.1 431 ")


async def test_a_url_that_does_not_end_is_cut_off() -> None:
    async with served(BoundedHttpToolsProtocol) as port:
        answer = await answer_to(port, b"GET /", *[b"x" * 8000] * 40)
    assert answer == b"reset" or answer.startswith(b"HTTP/1.1 431 ")


@requirement("J207")
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "])
async def test_a_head_that_does_not_come_is_not_waited_for(sent: bytes) -> None:
    async with served(ImpatientProtocol) as port:
        answer = await answer_to(port, sent)
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_second_request_on_the_connection_has_a_deadline_too() -> None:
    first = request().replace(b"Connection: close\r\n", b"")
    async with served(ImpatientProtocol) as port:
        answer = await answer_to(port, first, b"GET / HT")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answer


@requirement("H178")
async def test_more_headers_than_any_client_needs_are_refused() -> None:
    async with served(BoundedHttpToolsProtocol) as port:
        answer = await answer_to(port, request(b"/", b"X-Header: " + b"x" * MAX_HEADER_BYTES))
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_url_longer_than_any_client_needs_is_refused() -> None:
    async with served(BoundedHttpToolsProtocol) as port:
        answer = await answer_to(port, request(b"/?" + b"x" * MAX_TARGET_BYTES))
    assert answer.startswith(b"HTTP/1.1 414 ")


async def test_two_host_headers_are_refused() -> None:
    async with served(BoundedHttpToolsProtocol) as port:
        answer = await answer_to(port, request(b"/", b"Host: evil.example"))
    assert answer.startswith(b"HTTP/1.1 400 ")
