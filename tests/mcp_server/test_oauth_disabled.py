"""OAUTH_ENABLED=false: every OAuth URL says so, and /mcp takes X-Val-Town-Token alone."""

import pytest

from mcp_server.settings import McpSettings
from shared.settings import SettingsError
from tests.support.mcp_client import McpClient
from tests.support.resource_server import OpenServer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
    ],
)
async def test_oauth_urls_say_how_to_switch_it_on(open_server: OpenServer, path: str) -> None:
    async with open_server(oauth_enabled=False) as server:
        response = await server.http.get(path)
        assert response.status_code == 404
        assert response.json()["error"] == "oauth_not_enabled"
        assert "OAuth not enabled" in response.json()["error_description"]
        assert "OAUTH_ENABLED=true" in response.json()["error_description"]
    async with open_server() as server:
        assert (await server.http.get(path)).status_code == 200


async def test_only_the_legacy_header_is_taken(open_server: OpenServer) -> None:
    async with open_server(oauth_enabled=False) as server:
        legacy = McpClient(server.http, headers={"X-Val-Town-Token": "vtwn_pasted"})
        assert (await legacy.call("whoami")).status_code == 200
        for client in (server.client(), McpClient(server.http)):
            response = await client.call("whoami")
            assert response.status_code == 401
            assert "resource_metadata" not in response.headers["www-authenticate"]
        assert not server.outside.fetched


async def test_it_is_ready_without_issuer_or_store(open_server: OpenServer) -> None:
    async with open_server(oauth_enabled=False, ready=False) as server:
        server.outside.issuer_down = True
        assert (await server.http.get("/readyz")).status_code == 200


def test_without_any_way_in_it_does_not_start() -> None:
    environ = {"OAUTH_ENABLED": "false", "LEGACY_TOKEN_AUTH": "false"}
    with pytest.raises(SettingsError) as raised:
        McpSettings.load(env_file=None, environ=environ)
    assert any("LEGACY_TOKEN_AUTH" in problem for problem in raised.value.problems)
    assert McpSettings.load(env_file=None, environ={"OAUTH_ENABLED": "false"})


def test_a_resource_needs_a_path() -> None:
    environ = {"OAUTH_ENABLED": "false", "MCP_RESOURCE_URL": "https://mcp.test"}
    with pytest.raises(SettingsError) as raised:
        McpSettings.load(env_file=None, environ=environ)
    assert any("MCP_RESOURCE_URL" in problem for problem in raised.value.problems)
