"""What this project issues is never sent to Val Town, not even out of the wrong header."""

import httpx
import pytest

from tests.requirements import requirement
from tests.support.mcp_client import McpClient
from tests.support.resource_server import Server

pytestmark = pytest.mark.anyio


async def _call(server: Server, value: str) -> httpx.Response:
    return await McpClient(server.http, headers={"X-Val-Town-Token": value}).call("get_me")


def _sent(server: Server) -> list[str]:
    return [request.headers["authorization"] for request in server.outside.val_town_requests]


@requirement("C2")
@pytest.mark.parametrize(
    "secret", ["vtr_" + "A" * 91, "vtac_" + "A" * 22 + ".x", "vtcs_" + "A" * 43, "vtr_x"]
)
async def test_our_secrets_in_the_header_are_an_invalid_request_and_go_nowhere(
    server: Server, secret: str
) -> None:
    response = await _call(server, secret)
    assert response.status_code == 400
    assert 'error="invalid_request"' in response.headers["www-authenticate"]
    assert secret not in response.text
    assert _sent(server) == []


@requirement("C2")
@pytest.mark.parametrize("change", ["", "x", "of another issuer"])
async def test_our_access_tokens_in_the_header_are_an_invalid_request_and_go_nowhere(
    server: Server, change: str
) -> None:
    token = server.token(iss="https://elsewhere.test") if change else server.token()
    response = await _call(server, token + ("x" if change == "x" else ""))
    assert response.status_code == 400
    assert "Bearer" in response.json()["error"]["message"]
    assert _sent(server) == []
    if not change:
        assert (await McpClient(server.http, token).call("whoami")).status_code == 200


@pytest.mark.parametrize("token", ["vtwn_pasted", "0123456789abcdef", "vtx_y", "vt", "my-eyJ.a.b", "eyJ"])
async def test_a_val_town_token_is_sent_to_val_town(server: Server, token: str) -> None:
    assert (await _call(server, token)).status_code == 200
    assert _sent(server) == [f"Bearer {token}"]
