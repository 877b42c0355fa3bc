"""A bug of ours: 500 with every header that other answers have, no detail, and one line in the log."""

import io
import json
import logging
from collections.abc import Iterator

import httpx
import pytest
import structlog

from shared import logs
from tests.requirements import requirement
from tests.support.resource_server import Outside, Server, streamed
from tests.support.tokens import SigningKey

pytestmark = pytest.mark.anyio

ORIGIN = {"Origin": "https://mcp.test"}
DETAIL = "a detail for operators"


class Broken(Outside):
    """Surroundings that make the server fail in a way that nobody foresaw."""

    bug: bool = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of the server."""
        if self.bug:
            raise RuntimeError(DETAIL)
        return super().answer(request)


@pytest.fixture
def outside(signing_key: SigningKey) -> Broken:
    return Broken(keys=[signing_key.public_jwk()])


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Return what is logged."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("mcp_server", "", stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def told_once(log: io.StringIO, response: httpx.Response) -> bool:
    """Return whether the log has the exception on one line, under the request's id."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (line,) = [line for line in lines if "exception" in line]
    assert f"RuntimeError: {DETAIL}" in line["exception"]
    assert line["level"] == "error"
    return bool(line["request_id"] == response.headers["x-request-id"])


def without_detail(response: httpx.Response) -> bool:
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["strict-transport-security"]
    return not any(word in response.text for word in (DETAIL, "RuntimeError", "Traceback", ".py"))


@requirement("J214")
async def test_at_a_document_it_is_a_plain_error_that_other_origins_may_read(
    server: Server, outside: Broken, log: io.StringIO
) -> None:
    path = "/.well-known/oauth-authorization-server"
    outside.bug = True
    response = await server.http.get(path, headers=ORIGIN)
    assert without_detail(response)
    assert response.json()["error"] == "server_error"
    assert response.headers["access-control-allow-origin"] == "*"
    assert told_once(log, response)
    outside.bug = False
    assert (await server.http.get(path, headers=ORIGIN)).status_code == 200


async def test_at_a_tool_it_is_an_error_of_the_request_that_other_origins_may_read(
    server: Server, outside: Broken, log: io.StringIO
) -> None:
    await server.link()
    client = server.client()
    client.headers |= ORIGIN
    outside.bug = True
    response = await client.call("get_me")
    assert without_detail(response)
    assert response.json()["id"] == 1
    assert response.json()["error"]["code"] == -32603
    assert response.headers["access-control-allow-origin"] == "*"
    assert told_once(log, response)
    outside.bug = False
    assert (await client.call("get_me")).status_code == 200


async def test_at_a_path_without_cors_it_has_none(
    server: Server, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object, **_named: object) -> object:
        raise RuntimeError(DETAIL)

    monkeypatch.setattr(server.redis, "ping", broken)
    response = await server.http.get("/readyz", headers=ORIGIN)
    assert without_detail(response)
    assert "access-control-allow-origin" not in response.headers
    assert told_once(log, response)
    monkeypatch.undo()
    assert (await server.http.get("/readyz")).status_code == 200


async def test_an_answer_that_is_no_bug_is_on_no_error_line(
    server: Server, outside: Broken, log: io.StringIO
) -> None:
    outside.key_set = lambda: streamed(500, b"")
    assert (await server.present("rubbish")).status_code == 401
    assert "exception" not in log.getvalue()
