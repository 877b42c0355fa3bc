"""X-Val-Town-Token: still taken, for one request, counted and marked as deprecated."""

import io

import pytest
import structlog
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from shared.logs import configure
from shared.policy import SCOPES
from tests.requirements import requirement
from tests.support.mcp_client import McpClient
from tests.support.resource_server import OpenServer, Server

pytestmark = pytest.mark.anyio


def _legacy(server: Server, token: str = "vtwn_pasted") -> McpClient:
    return McpClient(server.http, headers={"X-Val-Town-Token": token})


def _counted() -> float:
    return REGISTRY.get_sample_value("mcp_legacy_token_requests_total") or 0.0


async def _keys(redis: Redis) -> set[str]:
    return {key async for key in redis.scan_iter()}


async def test_the_header_s_token_is_the_credential_of_that_one_request(server: Server) -> None:
    stored = await _keys(server.redis)
    await _legacy(server, "vtwn_one").call("get_me")
    await _legacy(server, "vtwn_two").call("get_me")
    used = [request.headers["authorization"] for request in server.outside.val_town_requests]
    assert used == ["Bearer vtwn_one", "Bearer vtwn_two"]
    assert await _keys(server.redis) == stored


async def test_it_reaches_everything_and_is_marked_and_counted(server: Server) -> None:
    before = _counted()
    response = await _legacy(server).call("whoami")
    assert response.status_code == 200
    assert response.headers["deprecation"] == "true"
    assert set(response.json()["result"]["structuredContent"]["scopes"]) == set(SCOPES)
    assert _counted() == before + 1
    refused = await _legacy(server).modern("nonsense")
    assert (refused.status_code, refused.headers["deprecation"]) == (404, "true")
    with_bearer = await server.client().call("whoami")
    assert "deprecation" not in with_bearer.headers
    assert _counted() == before + 2


@requirement("C16")
async def test_both_credentials_are_refused_whichever_would_work(server: Server) -> None:
    for authorization in (f"Bearer {server.token()}", "Bearer rubbish", "Basic dTpw"):
        client = McpClient(
            server.http, headers={"X-Val-Town-Token": "vtwn_pasted", "Authorization": authorization}
        )
        assert (await client.call("whoami")).status_code == 400


@pytest.mark.parametrize("token", ["a b", "a" * 2000])
async def test_a_malformed_token_is_an_invalid_request(server: Server, token: str) -> None:
    assert (await _legacy(server, token).call("whoami")).status_code == 400


async def test_an_empty_header_is_no_credential(server: Server) -> None:
    assert (await _legacy(server, "").call("whoami")).status_code == 401


async def test_switched_off_it_is_no_credential(open_server: OpenServer) -> None:
    async with open_server(legacy_token_auth=False) as server:
        response = await _legacy(server).call("whoami")
        assert response.status_code == 401
        assert "error=" not in response.headers["www-authenticate"]
        assert (await server.client().call("whoami")).status_code == 200


@requirement("L236")
async def test_the_credential_is_in_no_log_line(server: Server) -> None:
    lines = io.StringIO()
    configure("mcp_server", "*", lines)
    await _legacy(server, "vtwn_never_logged").call("get_me")
    structlog.reset_defaults()
    assert "upstream call" in lines.getvalue()
    assert "never_logged" not in lines.getvalue()
