"""A request whose client has hung up: it waited in a replica that hung, and its client went on elsewhere."""

from typing import Any
from urllib.parse import urlencode

import pytest

from dev.flow import OAuthClient
from tests.auth_server.deployment import AuthServer

pytestmark = pytest.mark.anyio


async def come_late(server: AuthServer, client: OAuthClient, **form: str) -> int:
    """Let the server find a token request whose connection is closed already; return what it answers."""
    body = urlencode({"client_id": client.client_id, **form}).encode()
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": body, "more_body": False},
        {"type": "http.disconnect"},
    ]
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/oauth/token",
        "raw_path": b"/oauth/token",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"auth.test"),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", str(len(body)).encode()),
        ],
        "client": ("192.0.2.1", 1),
        "server": ("auth.test", 443),
    }
    await server.app(scope, receive, send)
    return statuses[0]


async def test_a_refresh_that_comes_late_does_not_end_the_session(server: AuthServer) -> None:
    client = await server.public()
    first = (await client.tokens(server.browser()))["refresh_token"]
    second = (await client.refresh(first)).json()["refresh_token"]
    third = (await client.refresh(second)).json()["refresh_token"]
    late = await come_late(server, client, grant_type="refresh_token", refresh_token=first)
    assert late == 503
    assert (await client.refresh(third)).status_code == 200
    # From somebody who is there it is what it was before.
    assert (await client.refresh(first)).status_code == 400


async def test_a_code_that_comes_late_is_still_good(server: AuthServer) -> None:
    client = await server.public()
    code, pkce = await server.code(client)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": pkce.verifier,
        "redirect_uri": client.redirect_uri,
    }
    assert await come_late(server, client, **form) == 503
    assert (await client.redeem(code, pkce.verifier)).status_code == 200
