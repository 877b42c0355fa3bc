"""What real clients do at the MCP server that no revision asks for, by the reports of their users.

What a revision or an RFC asks for is tested under its name, and is not repeated here.
"""

from typing import Any

import httpx
import pytest

from tests.requirements import requirement
from tests.support.mcp_client import HANDSHAKE, McpClient
from tests.support.resource_server import METADATA_URL, RESOURCE, OpenServer, Server

pytestmark = pytest.mark.anyio

APP = "https://app.example"
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": HANDSHAKE,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def names(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}


def has_tools(response: httpx.Response) -> bool:
    return response.status_code == 200 and bool(response.json()["result"]["tools"])


# Where clients look.


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/mcp/sse", "/mcp/.well-known/openid-configuration"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
async def test_whatever_comes_first_gets_the_challenge(server: Server, path: str, method: str) -> None:
    """mcp-remote opens with GET and no token, others with HEAD, each at the URL a person typed."""
    headers = {"Accept": "text/event-stream"}
    response = await server.http.request(method, path, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == (
        f'Bearer resource_metadata="{METADATA_URL}", scope="read"'
    )


async def test_a_url_typed_with_a_slash_at_its_end_is_the_endpoint(server: Server) -> None:
    """People type `/mcp/`, and clients keep it; a redirect would lose the token or the body."""
    client = McpClient(server.http, server.token(), url="/mcp/")
    assert (await client.post(INITIALIZE)).json()["result"]["protocolVersion"] == HANDSHAKE
    assert has_tools(await client.modern("tools/list"))
    assert (await server.http.get("/mcp/", headers=client.headers)).status_code == 405
    for other in ("/mcp//", "/mcp/mcp", "/MCP"):
        assert (await server.http.post(other, headers=client.headers)).status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["", "/mcp", "/mcp/"])
async def test_resource_metadata_are_where_clients_look(server: Server, path: str, method: str) -> None:
    """At the path of the URL, then at the root (Python and TypeScript SDK); at `/mcp/` for who typed that."""
    response = await server.http.request(method, f"/.well-known/oauth-protected-resource{path}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    if method == "GET":
        assert response.json()["resource"] == RESOURCE
        assert None not in response.json().values()


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/authorize",
        "/token",
        "/register",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_belongs_to_an_authorization_server_is_not_here(
    server: Server, path: str, method: str
) -> None:
    """Clients of 2025-03-26 fall back on these when the origin has no metadata, and it has.

    404 sends a client on to the next place; a redirect or a 5xx would end its search.
    """
    response = await server.http.request(method, path)
    assert response.status_code == 404
    assert "www-authenticate" not in response.headers


async def test_a_client_of_2025_03_26_finds_the_issuer_at_the_origin(server: Server) -> None:
    """It knows no resource metadata, and asks the origin of the MCP server with its revision in a header."""
    headers = {"MCP-Protocol-Version": "2025-03-26"}
    response = await server.http.get("/.well-known/oauth-authorization-server", headers=headers)
    assert response.status_code == 200
    assert response.json()["issuer"] == "https://auth.test"


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ],
)
async def test_a_page_may_look_there_too(server: Server, path: str) -> None:
    """MCP Inspector and other clients in a page; a refusal that they cannot read ends their search."""
    asked = {
        "Origin": APP,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "mcp-protocol-version",
    }
    preflight = await server.http.options(path, headers=asked)
    assert preflight.status_code == 204
    assert "mcp-protocol-version" in names(preflight.headers["access-control-allow-headers"])
    answer = await server.http.get(path, headers={"Origin": APP})
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
async def test_a_page_may_call_with_every_header_that_its_sdk_sends(server: Server, path: str) -> None:
    """A page that may not read `WWW-Authenticate` cannot begin to sign in (twenty 19836, windmill 10535)."""
    sent = "authorization,content-type,mcp-protocol-version,mcp-session-id,last-event-id,mcp-method,mcp-name"
    asked = {
        "Origin": "https://mcp.test",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": sent,
    }
    preflight = await server.http.options(path, headers=asked)
    assert preflight.status_code == 204
    assert names(preflight.headers["access-control-allow-headers"]) >= names(sent)
    refused = await server.http.post(path, headers={"Origin": "https://mcp.test"})
    assert refused.status_code == 401
    assert {"www-authenticate", "mcp-session-id", "retry-after"} <= names(
        refused.headers["access-control-expose-headers"]
    )


# What clients send.


@pytest.mark.parametrize(
    "accept",
    [None, "", "*/*", "application/json", "text/event-stream", "application/*", "text/html;q=0.9,*/*;q=0.1"],
)
async def test_no_accept_header_is_wrong(server: Server, accept: str | None) -> None:
    """curl sends `*/*`, scripts send what they like; the SDKs' own transport answers those with 406."""
    del server.http.headers["accept"]
    headers = {} if accept is None else {"accept": accept}
    client = server.client()
    for answer in (
        await client.post(LIST, **headers),
        await client.modern("tools/list", **headers),
    ):
        assert has_tools(answer)
        assert answer.headers["content-type"] == "application/json"


@requirement("C20")
@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25", None])
async def test_headers_of_the_newest_revision_do_not_disturb_an_older_one(
    server: Server, version: str | None
) -> None:
    """mcp-remote sends `Mcp-Method` in the handshake era too; others keep a session id of elsewhere."""
    headers = {"mcp_method": "tools/list", "mcp_name": "whoami", "mcp_session_id": "of-another-server"}
    headers |= {"last_event_id": "7"}
    if version is not None:
        headers["mcp_protocol_version"] = version
    answer = await server.client().post(LIST, **headers)
    assert has_tools(answer)
    assert "mcp-session-id" not in answer.headers


async def test_a_whole_handshake_without_any_header_of_mcp(server: Server) -> None:
    """Clients that never send `MCP-Protocol-Version`, though they settled on a revision that asks for it."""
    client = server.client()
    assert (await client.post(INITIALIZE)).status_code == 200
    done = await client.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (done.status_code, done.content) == (202, b"")
    assert has_tools(await client.post(LIST))
    call = {"name": "whoami", "arguments": {}}
    called = await client.post({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call})
    assert called.json()["result"]["isError"] is False


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/list", {"cursor": None}),
        ("tools/list", {"_meta": None}),
        ("tools/list", {"_meta": {"progressToken": None}}),
        ("tools/call", {"name": "whoami", "arguments": None}),
        ("tools/call", {"name": "whoami", "arguments": {}, "_meta": None}),
        ("initialize", INITIALIZE["params"] | {"capabilities": {"roots": None, "sampling": None}}),
    ],
)
async def test_optional_members_may_be_null(server: Server, method: str, params: dict[str, Any]) -> None:
    """Clients that send every member they know, with null for what they have not set."""
    client = server.client()
    without_header = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    for answer in (await client.handshake(method, params), await client.post(without_header)):
        assert answer.status_code == 200
        assert "error" not in answer.json()
        assert not answer.json()["result"].get("isError")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_stream_or_session_that_is_not_there_is_405(server: Server, method: str) -> None:
    """The TypeScript SDK opens a stream after `initialize` and ends a session when it closes.

    405 is how it learns that there is neither; 404 would send it back to `initialize`.
    """
    headers = {
        **server.client().headers,
        "Accept": "text/event-stream",
        "Mcp-Session-Id": "of-another-server",
        "Last-Event-ID": "7",
        "MCP-Protocol-Version": HANDSHAKE,
    }
    response = await server.http.request(method, "/mcp", headers=headers)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("user_agent", ["", None, "Claude-User"])
async def test_no_user_agent_is_turned_away_here(server: Server, user_agent: str | None) -> None:
    """Claude Code has sent none at all (its issue 47390), and edges turn `Claude-User` away."""
    del server.http.headers["user-agent"]
    if user_agent is not None:
        server.http.headers["user-agent"] = user_agent
    assert has_tools(await server.client().modern("tools/list"))


async def test_refusals_of_a_token_are_401_in_every_era_and_never_a_result(server: Server) -> None:
    """Claude signs in anew on a real 401 only, not on a result with `isError`."""
    for body in (INITIALIZE, LIST, [LIST]):
        for token in (None, "expired"):
            answer = await McpClient(server.http, token).post(body)
            assert answer.status_code == 401
            assert f'resource_metadata="{METADATA_URL}"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("prefix", ["/tools/mcp", "/a"])
async def test_a_resource_with_another_path_has_all_of_it_too(open_server: OpenServer, prefix: str) -> None:
    """Operators who serve the resource below a path of their own."""
    async with open_server(mcp_resource_url=f"https://mcp.test{prefix}") as server:
        for path in (prefix, f"{prefix}/", "/mcp"):
            client = McpClient(server.http, server.token(), url=path)
            assert has_tools(await client.modern("tools/list"))
        known: Any = (await server.http.get(f"/.well-known/oauth-protected-resource{prefix}/")).json()
        assert known["resource"] == f"https://mcp.test{prefix}"
