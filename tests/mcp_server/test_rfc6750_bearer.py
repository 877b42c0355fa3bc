"""How a credential is presented, and how its lack is told (RFC 6750; OAuth 2.1 section 5)."""

import httpx
import pytest

from tests.requirements import requirement
from tests.support.mcp_client import McpClient
from tests.support.resource_server import METADATA_URL, Server

pytestmark = pytest.mark.anyio


async def _list(server: Server, authorization: str, **headers: str) -> httpx.Response:
    client = McpClient(server.http, headers={"Authorization": authorization})
    return await client.modern("tools/list", **headers)


@requirement("O26")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_scheme_is_case_insensitive(server: Server, scheme: str) -> None:
    assert (await _list(server, f"{scheme} {server.token()}")).status_code == 200


@requirement("O27", "R2")
async def test_no_credentials_get_a_challenge_without_error(server: Server) -> None:
    response = await McpClient(server.http).modern("tools/list")
    assert response.status_code == 401
    challenge = response.headers["www-authenticate"]
    assert challenge == f'Bearer resource_metadata="{METADATA_URL}", scope="read"'
    assert response.headers["cache-control"] == "no-store"


@requirement("I179", "C15")
@pytest.mark.parametrize("method", ["initialize", "server/discover", "ping", "tools/list", "tools/call", "x"])
async def test_every_method_needs_a_credential(server: Server, method: str) -> None:
    assert (await McpClient(server.http).modern(method)).status_code == 401


async def test_the_credential_comes_before_everything_else(server: Server) -> None:
    response = await server.http.post("/mcp", content=b"{", headers={"Origin": "https://evil.test"})
    assert response.status_code == 401


@requirement("C15")
async def test_a_connection_is_not_a_credential(server: Server) -> None:
    assert (await server.client().modern("tools/list")).status_code == 200
    assert (await McpClient(server.http).modern("tools/list")).status_code == 401


@requirement("R2", "O38")
async def test_the_challenge_does_not_follow_the_host_header(server: Server) -> None:
    headers = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "http"}
    response = await server.http.post("/mcp", headers=headers)
    assert METADATA_URL in response.headers["www-authenticate"]
    assert "evil" not in response.headers["www-authenticate"]


@requirement("O25", "H175")
async def test_a_token_in_query_or_cookie_is_no_credential(server: Server) -> None:
    token = server.token()
    for request in (
        {"params": {"access_token": token}},
        {"headers": {"Cookie": f"access_token={token}"}},
        {"data": {"access_token": token}},
    ):
        response = await server.http.post("/mcp", **request)  # type: ignore[arg-type]
        assert response.status_code == 401
        assert "error=" not in response.headers["www-authenticate"]


@requirement("O25", "C16", "H176")
async def test_more_than_one_credential_is_an_invalid_request(server: Server) -> None:
    bearer = f"Bearer {server.token()}"
    content = {"Content-Type": "application/json"}
    for response in (
        await server.http.post("/mcp?access_token=x", headers={"Authorization": bearer, **content}),
        await server.http.post("/mcp", headers=[("Authorization", bearer), ("Authorization", bearer)]),
        await server.http.post("/mcp", headers={"Authorization": bearer, "X-Val-Town-Token": "t"}),
    ):
        assert response.status_code == 400
        assert 'error="invalid_request"' in response.headers["www-authenticate"]


@requirement("C16", "H169", "H176", "H177")
@pytest.mark.parametrize(
    "credentials", ["a b", "a, Bearer b", "a\tb", "ä", "a=b", '{"payload":"e30","signature":"eA"}']
)
async def test_a_malformed_header_is_an_invalid_request(server: Server, credentials: str) -> None:
    headers = [(b"Authorization", f"Bearer {credentials}".encode("latin-1"))]
    response = await server.http.post("/mcp", headers=headers)
    assert response.status_code == 400


@requirement("H177")
@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "Basic dTpw", "DPoP x", ""])
async def test_other_schemes_and_empty_tokens_are_no_credential(server: Server, authorization: str) -> None:
    response = await _list(server, authorization)
    assert response.status_code == 401
    assert "error=" not in response.headers["www-authenticate"]


@requirement("H178")
async def test_headers_beyond_any_need_are_431(server: Server) -> None:
    assert (await _list(server, "Bearer " + "a" * 70_000)).status_code == 431
