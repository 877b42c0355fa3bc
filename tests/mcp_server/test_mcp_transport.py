"""Streamable HTTP: revisions, headers against body, and what is refused before any of it."""

from typing import Any

import pytest

from tests.requirements import requirement
from tests.support.mcp_client import MODERN, McpClient, modern_meta
from tests.support.resource_server import OpenServer, Server

pytestmark = pytest.mark.anyio


CAPABILITIES: dict[str, dict[str, bool]] = {
    "tools": {},
    "resources": {},
    "prompts": {},
    "completions": {},
    "logging": {},
}


def _error(response: Any) -> int:
    code = response.json()["error"]["code"]
    assert isinstance(code, int)
    return code


@requirement("C20")
async def test_plain_curl_lists_tools_without_initialize_session_or_accept(server: Server) -> None:
    response = await server.http.post(
        "/mcp",
        content=b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}',
        headers={
            "Authorization": f"Bearer {server.token()}",
            "Content-Type": "application/json",
            "Accept": "*/*",
        },
    )
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    assert "mcp-session-id" not in response.headers
    body = response.json()
    assert body["id"] == 1
    assert "whoami" in [tool["name"] for tool in body["result"]["tools"]]
    assert "resultType" not in body["result"]


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_initialize_settles_on_the_requested_revision(server: Server, version: str) -> None:
    params = {
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    response = await server.client().post(
        {"jsonrpc": "2.0", "id": "a", "method": "initialize", "params": params}
    )
    assert response.status_code == 200
    result = response.json()["result"]
    assert result["protocolVersion"] == version
    assert result["capabilities"] == CAPABILITIES
    assert result["serverInfo"]["name"] == "val-town"
    assert result["instructions"]


@pytest.mark.parametrize("version", ["2024-11-05", "2026-07-28", "1999-01-01"])
async def test_initialize_offers_the_newest_handshake_revision_otherwise(
    server: Server, version: str
) -> None:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    response = await server.client().post(
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    )
    assert response.json()["result"]["protocolVersion"] == "2025-11-25"


@requirement("I182")
async def test_ping_and_notifications_of_the_handshake_leg(server: Server) -> None:
    client = server.client()
    assert (await client.handshake("ping")).json() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    notified = await client.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (notified.status_code, notified.content) == (202, b"")
    replied = await client.post({"jsonrpc": "2.0", "id": 7, "result": {}})
    assert (replied.status_code, replied.content) == (202, b"")


async def test_discover_says_what_is_served(server: Server) -> None:
    response = await server.client().modern("server/discover")
    assert response.status_code == 200
    result = response.json()["result"]
    assert result["resultType"] == "complete"
    assert result["supportedVersions"] == ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"]
    assert result["capabilities"] == CAPABILITIES
    assert result["cacheScope"] == "private"
    assert result["ttlMs"] >= 0
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "val-town"


@requirement("C19")
async def test_modern_lists_are_private_and_say_how_long_they_keep(server: Server) -> None:
    result = (await server.client().modern("tools/list")).json()["result"]
    assert (result["resultType"], result["cacheScope"]) == ("complete", "private")
    assert result["ttlMs"] >= 0


@requirement("C21", "C20")
async def test_session_headers_are_ignored_and_never_minted(server: Server) -> None:
    response = await server.client().modern("tools/list", mcp_session_id="someone-elses", last_event_id="7")
    assert response.status_code == 200
    assert "mcp-session-id" not in response.headers


@requirement("C14", "I185")
@pytest.mark.parametrize(
    "method",
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "subscriptions/listen", "nonsense"],
)
async def test_methods_that_are_not_there_are_404_in_the_modern_leg(server: Server, method: str) -> None:
    response = await server.client().modern(method)
    assert (response.status_code, _error(response)) == (404, -32601)
    assert response.json()["id"] == 1


@pytest.mark.parametrize("method", ["server/discover", "subscriptions/listen", "nonsense"])
async def test_methods_that_are_not_there_are_answers_in_the_handshake_leg(
    server: Server, method: str
) -> None:
    response = await server.client().handshake(method)
    assert (response.status_code, _error(response)) == (200, -32601)


@requirement("C14", "I184")
async def test_unknown_revision_is_refused_with_those_served(server: Server) -> None:
    response = await server.client().modern(
        "tools/list", {"_meta": modern_meta("2099-01-01")}, mcp_protocol_version="2099-01-01"
    )
    assert (response.status_code, _error(response)) == (400, -32022)
    data = response.json()["error"]["data"]
    assert data["requested"] == "2099-01-01"
    assert MODERN in data["supported"]


async def test_unknown_revision_in_the_header_alone_is_refused_too(server: Server) -> None:
    response = await server.client().handshake("tools/list", version="2024-11-05")
    assert (response.status_code, _error(response)) == (400, -32022)


@requirement("C14", "I183")
@pytest.mark.parametrize(
    "headers",
    [
        {"mcp_method": "tools/call"},
        {"mcp_method": "TOOLS/LIST"},
        {"mcp_protocol_version": "2099-01-01"},
    ],
)
async def test_headers_that_disagree_with_the_body_are_refused(
    server: Server, headers: dict[str, str]
) -> None:
    response = await server.client().modern("tools/list", **headers)
    assert (response.status_code, _error(response)) == (400, -32020)
    assert response.json()["id"] == 1


@requirement("I183", "I184")
@pytest.mark.parametrize("missing", ["mcp_protocol_version", "mcp_method", "mcp_name"])
async def test_headers_that_are_missing_are_refused(server: Server, missing: str) -> None:
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"_meta": modern_meta(), "name": "whoami"},
    }
    headers = {"mcp_protocol_version": MODERN, "mcp_method": "tools/call", "mcp_name": "whoami"}
    accepted = await server.client().post(body, **headers)
    assert accepted.status_code == 200
    del headers[missing]
    response = await server.client().post(body, **headers)
    assert (response.status_code, _error(response)) == (400, -32020)


@requirement("I183")
@pytest.mark.parametrize(
    "name",
    [
        "get_me",
        "WHOAMI",
        "=?base64?d2hvYW1?=",
        "=?base64?d2hvYW1p==?=",
        "=?BASE64?d2hvYW1p?=",
        "=?base64?d2hvYW1q?=",
        "=?base64?/w==?=",
    ],
)
async def test_name_header_must_repeat_the_tool(server: Server, name: str) -> None:
    response = await server.client().modern("tools/call", {"name": "whoami"}, mcp_name=name)
    assert (response.status_code, _error(response)) == (400, -32020)


async def test_name_header_may_be_base64(server: Server) -> None:
    response = await server.client().modern("tools/call", {"name": "whoami"}, mcp_name="=?base64?d2hvYW1p?=")
    assert response.status_code == 200


async def test_a_routing_header_sent_twice_is_refused(server: Server) -> None:
    headers = [
        ("Authorization", f"Bearer {server.token()}"),
        ("Content-Type", "application/json"),
        ("Mcp-Protocol-Version", "2025-11-25"),
        ("Mcp-Protocol-Version", "2025-06-18"),
    ]
    response = await server.http.post(
        "/mcp", content=b'{"jsonrpc":"2.0","id":1,"method":"ping"}', headers=headers
    )
    assert (response.status_code, _error(response)) == (400, -32020)


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"io.modelcontextprotocol/protocolVersion": MODERN},
        {"io.modelcontextprotocol/clientCapabilities": {}},
        {**modern_meta(), "io.modelcontextprotocol/clientCapabilities": "none"},
    ],
)
async def test_meta_must_be_complete(server: Server, meta: dict[str, Any]) -> None:
    response = await server.client().modern("tools/list", {"_meta": meta})
    assert (response.status_code, _error(response)) == (400, -32602)


@requirement("I182")
async def test_modern_notifications_are_accepted_and_replies_refused(server: Server) -> None:
    client = server.client()
    headers = {"mcp_protocol_version": MODERN, "mcp_method": "notifications/cancelled"}
    notified = await client.post(
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}, **headers
    )
    assert (notified.status_code, notified.content) == (202, b"")
    replied = await client.post({"jsonrpc": "2.0", "id": 1, "result": {}}, mcp_protocol_version=MODERN)
    assert (replied.status_code, _error(replied)) == (400, -32600)


@requirement("C14")
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD", "OPTIONS"])
async def test_other_methods_are_401_without_a_token_and_405_with_one(server: Server, method: str) -> None:
    anonymous = await server.http.request(method, "/mcp")
    assert anonymous.status_code == 401
    assert "resource_metadata=" in anonymous.headers["www-authenticate"]
    known = await server.http.request(method, "/mcp", headers=server.client().headers)
    assert known.status_code == 405
    assert known.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/mcp//", "/mcp/sse"])
async def test_below_the_endpoint_is_401_without_a_token_and_404_with_one(server: Server, path: str) -> None:
    assert (await server.http.post(path)).status_code == 401
    assert (await server.http.post(path, headers=server.client().headers)).status_code == 404


@requirement("C12", "I196")
@pytest.mark.parametrize(
    "origin",
    ["https://evil.test", "null", "http://mcp.test", "https://mcp.test:8443", "https://mcp.test.evil"],
)
async def test_origins_that_are_not_allowed_are_403_even_with_a_token(server: Server, origin: str) -> None:
    response = await server.client().modern("tools/list", origin=origin)
    assert response.status_code == 403


@requirement("C12")
@pytest.mark.parametrize("origin", ["https://mcp.test", "https://mcp.test:443", "HTTPS://MCP.TEST"])
async def test_the_resource_s_own_origin_is_allowed(server: Server, origin: str) -> None:
    assert (await server.client().modern("tools/list", origin=origin)).status_code == 200


@requirement("C13", "I196", "J205")
@pytest.mark.parametrize(
    "host",
    [
        "evil.test:8000",
        "mcp.test.evil",
        "127.0.0.1",
        "",
        "mcp.test/x",
        "mcp.test?x",
        "mcp.test#x",
        "a@mcp.test",
    ],
)
async def test_hosts_that_are_not_allowed_are_421(server: Server, host: str) -> None:
    assert (await server.client().modern("tools/list", host=host)).status_code == 421


@pytest.mark.parametrize("host", ["mcp.test", "mcp.test:443", "MCP.test:8080"])
async def test_the_resource_s_own_host_is_allowed_on_any_port(server: Server, host: str) -> None:
    assert (await server.client().modern("tools/list", host=host)).status_code == 200


async def test_a_local_server_allows_this_computer_s_names(open_server: OpenServer) -> None:
    async with open_server(mcp_resource_url="http://localhost:8080/mcp") as server:
        client = server.client()
        for name in ("127.0.0.1:8000", "localhost", "[::1]:8080"):
            response = await client.modern("tools/list", host=name, origin=f"http://{name}")
            assert response.status_code == 200
        assert (await client.modern("tools/list", origin="http://evil.test")).status_code == 403


async def test_configured_hosts_and_origins_replace_the_derived_ones(open_server: OpenServer) -> None:
    changes = {"mcp_allowed_hosts": "proxy.test:8443", "mcp_allowed_origins": "https://app.test"}
    async with open_server(**changes) as server:
        client = server.client()
        accepted = await client.modern("tools/list", host="proxy.test:8443", origin="https://app.test")
        assert accepted.status_code == 200
        assert (await client.modern("tools/list", host="proxy.test")).status_code == 421
        other = await client.modern("tools/list", host="proxy.test:8443", origin="https://mcp.test")
        assert other.status_code == 403


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "text/plain; application/json", ""]
)
async def test_content_types_other_than_json_are_415(server: Server, content_type: str) -> None:
    response = await server.client().modern("tools/list", content_type=content_type)
    assert response.status_code == 415


async def test_json_with_a_charset_is_accepted(server: Server) -> None:
    response = await server.client().modern("tools/list", content_type="Application/JSON; charset=utf-8")
    assert response.status_code == 200


@requirement("J206")
async def test_bodies_beyond_four_mebibytes_are_413_with_and_without_a_length(server: Server) -> None:
    padding = b" " * (4 * 1024 * 1024)
    client = server.client()
    assert (await client.post(padding + b"{}")).status_code == 413

    async def chunks() -> Any:
        for _ in range(5):
            yield b" " * (1024 * 1024)

    headers = {**client.headers, "Content-Type": "application/json"}
    streamed = await server.http.post("/mcp", content=chunks(), headers=headers)
    assert streamed.status_code == 413
    message = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    accepted = await client.post(message + padding[: -len(message)])
    assert accepted.status_code == 200


@requirement("J210")
async def test_compressed_bodies_are_415(server: Server) -> None:
    assert (await server.client().modern("tools/list", content_encoding="gzip")).status_code == 415


@requirement("I197")
async def test_a_preflight_needs_no_token_and_names_the_headers_of_mcp(server: Server) -> None:
    response = await server.http.options(
        "/mcp", headers={"Origin": "https://mcp.test", "Access-Control-Request-Method": "POST"}
    )
    assert response.status_code == 204
    allowed = response.headers["access-control-allow-headers"].lower()
    for name in ("authorization", "content-type", "mcp-method", "mcp-name", "mcp-protocol-version"):
        assert name in allowed
    refused = await McpClient(server.http).modern("tools/list", origin="https://mcp.test")
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]


async def test_health_needs_no_credential(server: Server) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        response = await server.http.get(path)
        assert response.status_code == 200
        assert response.headers["x-request-id"]


async def test_there_is_no_api_documentation_page(server: Server) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await server.http.get(path)).status_code == 404
