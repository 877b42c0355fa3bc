"""Whatever Val Town does at whichever of a tool's requests: a result that says so, never an exception."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import httpx
import pytest
from fastapi import FastAPI

from shared.policy import SCOPE_OF_TOOL
from shared.valtown.transport import Bounds
from tests.requirements import requirement
from tests.support.resource_server import Server
from tests.support.tool_caller import Caller, text_of
from tests.support.tool_examples import EXAMPLES

pytestmark = pytest.mark.anyio

UPSTREAM_TOOLS: Final = [name for name in EXAMPLES if name != "whoami"]
MOST_REQUESTS: Final = 12
SHORT: Final = Bounds(connect_seconds=0.05, total_seconds=0.05)


class Body(httpx.AsyncByteStream):
    """A body; `end` is what happens after it: nothing, a broken connection, or silence."""

    def __init__(self, content: bytes, end: str = "") -> None:
        self._content = content
        self._end = end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        if self._end == "break":
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        if self._end == "silence":
            await asyncio.Event().wait()


def answering(status: int, content: bytes, end: str = "") -> Callable[[httpx.Request], httpx.Response]:
    return lambda _request: httpx.Response(status, stream=Body(content, end))


def refused_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def redirecting(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(302, headers={"location": "https://evil.example/"}, stream=Body(b""))


REFUSALS: Final = {
    status: answering(status, b'{"message": "the reason"}')
    for status in (400, 401, 403, 409, 429, 500, 502, 503)
}
FAULTS: Final = {
    "no connection": refused_connection,
    "not JSON": answering(200, b"<html>busy</html>"),
    "other JSON": answering(200, b'{"data": 5, "links": null, "id": []}'),
    "null": answering(200, b"null"),
    "cut": answering(200, b'{"data": [', "break"),
    "dripping": answering(200, b"{", "silence"),
    "redirect": redirecting,
}
# Any bytes are content of a file or a blob, and any answer is one to a deletion or an email.
TAKES_ANYTHING: Final = {"not JSON", "other JSON", "null"}


class FailingAt(httpx.AsyncBaseTransport):
    """The sandbox, but for one request in a row: all from then on when `for_good`."""

    def __init__(
        self, sandbox: FastAPI, fail: Callable[[httpx.Request], httpx.Response], number: int
    ) -> None:
        self._sandbox = httpx.ASGITransport(sandbox)
        self._fail = fail
        self._number = number
        self.count = 0
        self.failed: httpx.Request | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.count += 1
        # A read is tried twice, so everything after it fails too.
        if self.count <= self._number:
            return await self._sandbox.handle_async_request(request)
        self.failed = self.failed or request
        return self._fail(request)


def takes_anything(request: httpx.Request) -> bool:
    path = request.url.path
    return (
        path.endswith("/files/content")
        or path.startswith("/v1/blob/")
        or path == "/v1/email"
        or request.method == "DELETE"
    )


@dataclass
class Outcome:
    """What a tool made of a failing request; `request` None: the call ended before it got there."""

    request: httpx.Request | None
    is_error: bool
    text: str


async def outcome(
    sandbox: FastAPI, name: str, fail: Callable[[httpx.Request], httpx.Response], number: int
) -> Outcome:
    transport = FailingAt(sandbox, fail, number)
    caller = Caller(transport, bounds=SHORT)
    result = await caller.result(name, **EXAMPLES[name].arguments)
    assert "vtwn_sandbox_ada" not in text_of(result)
    assert {request.url.host for request in caller.requests} == {"sandbox.test"}
    return Outcome(transport.failed, bool(result.is_error), text_of(result))


@pytest.mark.parametrize("name", UPSTREAM_TOOLS)
async def test_a_refusal_at_any_request_is_an_error_with_status_and_reason(
    sandbox: FastAPI, name: str
) -> None:
    for number in range(MOST_REQUESTS):
        reached = 0
        for status, fail in REFUSALS.items():
            found = await outcome(sandbox, name, fail, number)
            reached += found.request is not None
            if found.request is None:
                continue
            if found.request.url.path.startswith("/run/"):
                # What a val answers is what was asked for.
                assert not found.is_error
                continue
            assert found.is_error, (status, found.request.url)
            assert f"{status}: the reason" in found.text
        assert reached or number
        if not reached:
            break


@pytest.mark.parametrize("name", UPSTREAM_TOOLS)
async def test_a_fault_at_any_request_is_an_error_that_says_what_is_known(
    sandbox: FastAPI, name: str
) -> None:
    scope = SCOPE_OF_TOOL[name] or ""
    for number in range(MOST_REQUESTS):
        reached = 0
        for fault, fail in FAULTS.items():
            found = await outcome(sandbox, name, fail, number)
            reached += found.request is not None
            if found.request is None or (fault in TAKES_ANYTHING and takes_anything(found.request)):
                continue
            if found.request.url.path.startswith("/run/") and not found.is_error:
                continue
            assert found.is_error, (fault, found.request.url)
            # Who reads learns that trying again is safe, who writes that the outcome is not known.
            advice = "trying again later is safe" if scope.endswith(":read") else "not known whether"
            assert advice in found.text, (fault, found.text)
        assert reached or number
        if not reached:
            break


@requirement("I193")
@pytest.mark.parametrize("name", UPSTREAM_TOOLS)
async def test_a_credential_val_town_refuses_is_a_result_and_never_our_401(server: Server, name: str) -> None:
    await server.link()
    response = await server.client(scope=SCOPE_OF_TOOL[name]).modern(
        "tools/call", {"name": name, "arguments": EXAMPLES[name].arguments}, mcp_name=name
    )
    assert response.status_code == 200
    assert "www-authenticate" not in response.headers
    result = response.json()["result"]
    assert result["isError"] is True
    assert "sign in again" in result["content"][0]["text"]
