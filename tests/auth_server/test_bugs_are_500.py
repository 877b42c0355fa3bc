"""A bug of ours: 500 with every header that other answers have, no detail, and one line in the log."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog

from dev.flow import OAuthClient, Pkce
from shared import logs
from tests.auth_server.answers import guarded, refused
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

ORIGIN = {"Origin": "https://app.example"}
DETAIL = "a detail for operators"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Return what is logged."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("auth_server", "", stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def broken(*_given: object, **_named: object) -> object:
    raise RuntimeError(DETAIL)


def told_once(log: io.StringIO, response: httpx.Response) -> bool:
    """Return whether the log has the exception on one line, under the request's id."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (line,) = [line for line in lines if "exception" in line]
    assert f"RuntimeError: {DETAIL}" in line["exception"]
    assert line["level"] == "error"
    return bool(line["request_id"] == response.headers["x-request-id"])


def without_detail(response: httpx.Response) -> bool:
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["strict-transport-security"]
    return not any(word in response.text for word in (DETAIL, "RuntimeError", "Traceback", ".py"))


@requirement("J214")
@pytest.mark.parametrize(
    ("method", "path", "part", "name"),
    [
        ("POST", "/oauth/token", "token_requests", "find"),
        ("POST", "/oauth/revoke", "clients", "find"),
        ("POST", "/oauth/register", "clients", "add"),
        ("GET", "/.well-known/jwks.json", "keyring", "jwks"),
    ],
)
async def test_programs_get_json_that_browsers_of_other_origins_may_read(
    server: AuthServer,
    client: OAuthClient,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    part: str,
    name: str,
) -> None:
    monkeypatch.setattr(getattr(server.app.state.services, part), name, broken)
    http = server.visitor(raise_app_exceptions=False)
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "x", "token": "x"}
    bodies: dict[str, Any] = {
        "/oauth/token": {"data": form},
        "/oauth/revoke": {"data": form},
        "/oauth/register": {"json": {"redirect_uris": [client.redirect_uri]}},
    }
    response = await http.request(method, path, headers=ORIGIN, **bodies.get(path, {}))
    refused(response, 500, "server_error")
    assert response.headers["access-control-allow-origin"] == "*"
    assert without_detail(response)
    assert told_once(log, response)
    monkeypatch.undo()
    assert await server.works()


@requirement("J214", "K225")
async def test_people_get_a_page_that_other_origins_may_not_read(
    server: AuthServer, client: OAuthClient, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.app.state.services.clients, "find", broken)
    http = server.visitor(raise_app_exceptions=False)
    response = await http.get(client.authorize_url(Pkce.new()), headers=ORIGIN)
    assert response.status_code == 500
    assert response.headers["content-type"].startswith("text/html")
    guarded(response)
    assert without_detail(response)
    assert "access-control-allow-origin" not in response.headers
    assert told_once(log, response)
    monkeypatch.undo()
    assert (await http.get(client.authorize_url(Pkce.new()))).status_code == 303


async def test_an_answer_that_is_no_bug_is_on_no_error_line(
    server: AuthServer, client: OAuthClient, log: io.StringIO
) -> None:
    assert (await client.refresh("unknown")).status_code == 400
    assert "exception" not in log.getvalue()
