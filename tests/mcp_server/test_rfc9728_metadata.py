"""Protected resource metadata (RFC 9728), and the issuer's passed on for MCP 2025-03-26 clients."""

import pytest

from tests.requirements import requirement
from tests.support.resource_server import ISSUER, RESOURCE, OpenServer, Server

pytestmark = pytest.mark.anyio

ROOT = "/.well-known/oauth-protected-resource"


@requirement("R1", "C10", "J215")
async def test_both_forms_are_the_same_document(server: Server) -> None:
    root, with_path = await server.http.get(ROOT), await server.http.get(f"{ROOT}/mcp")
    assert root.status_code == with_path.status_code == 200
    assert root.content == with_path.content
    document = root.json()
    assert document["resource"] == RESOURCE
    assert document["authorization_servers"] == [ISSUER]
    assert document["bearer_methods_supported"] == ["header"]
    assert document["resource_name"]
    assert {"read", "write", "vals:read"} <= set(document["scopes_supported"])
    assert "offline_access" not in document["scopes_supported"]
    assert "max-age" in root.headers["cache-control"]
    assert "set-cookie" not in root.headers


@requirement("R1", "O38")
async def test_nothing_in_it_follows_the_request(server: Server) -> None:
    headers = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "http"}
    response = await server.http.get(ROOT, headers=headers)
    assert "evil" not in response.text
    assert response.json()["resource"] == RESOURCE


@requirement("R1", "R2")
async def test_the_path_form_follows_the_resource(open_server: OpenServer) -> None:
    async with open_server(mcp_resource_url="https://Example.test:443/tools/mcp") as server:
        response = await server.http.get(f"{ROOT}/tools/mcp")
        assert response.json()["resource"] == "https://Example.test:443/tools/mcp"
        refused = await server.http.post("/tools/mcp")
        assert f"https://Example.test:443{ROOT}/tools/mcp" in refused.headers["www-authenticate"]
        assert (await server.http.get(f"{ROOT}/mcp")).status_code == 404


async def test_any_origin_may_read_it(server: Server) -> None:
    response = await server.http.get(ROOT, headers={"Origin": "https://app.test"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


async def test_the_issuer_s_metadata_are_passed_on_unchanged_and_kept(server: Server) -> None:
    path = "/.well-known/oauth-authorization-server"
    first = await server.http.get(path)
    assert first.content == b'{"issuer": "https://auth.test",  "x": 1}'
    server.outside.issuer_down = True
    server.clock.advance(3600)
    assert (await server.http.get(path)).content == first.content


async def test_metadata_that_were_never_read_are_503(server: Server) -> None:
    server.outside.issuer_down = True
    response = await server.http.get("/.well-known/oauth-authorization-server")
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert response.json()["error"] == "temporarily_unavailable"
    server.outside.issuer_down = False
    server.clock.advance(6)
    assert (await server.http.get("/.well-known/oauth-authorization-server")).status_code == 200


async def test_the_issuer_is_asked_where_the_operator_says(open_server: OpenServer) -> None:
    changes = {"auth_server_internal_url": "http://auth:9000", "oauth_issuer_url": "https://auth.test"}
    async with open_server(**changes) as server:
        assert (await server.http.get("/.well-known/oauth-authorization-server")).status_code == 200
        assert {url.split("/.well")[0] for url in server.outside.fetched} == {"http://auth:9000"}


async def test_metadata_of_another_issuer_are_not_passed_on(open_server: OpenServer) -> None:
    async with open_server(oauth_issuer_url="https://auth.test:8443") as server:
        response = await server.http.get("/.well-known/oauth-authorization-server")
        assert response.status_code == 503
