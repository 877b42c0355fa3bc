"""tools/list and tools/call: what a scope opens, what a call beyond it gets, whose credential is used."""

from typing import Any

import pytest
from mcp_types import CallToolResult

from mcp_server.protocol.features import Features
from mcp_server.tools.context import ToolContext
from mcp_server.tools.registry import Annotations, ToolRegistry, tool
from shared.credentials import credential_key
from shared.policy import SCOPE_OF_TOOL
from tests.requirements import requirement
from tests.support.resource_server import VAL_TOWN_TOKEN, OpenServer, Server

pytestmark = pytest.mark.anyio


async def test_the_list_holds_what_the_scopes_open_in_a_fixed_order(server: Server) -> None:
    reader = await server.client(scope="vals:read").list_tools()
    assert "list_my_vals" in reader
    assert "read_file" in reader
    assert "create_val" not in reader
    everything = await server.client(scope="read write env:write email:send").list_tools()
    assert set(everything) <= set(SCOPE_OF_TOOL)
    assert [name for name in everything if name in reader] == reader
    assert await server.client(scope="").list_tools() == ["whoami"]


async def test_both_eras_list_the_same_tools_with_schemas(server: Server) -> None:
    modern = (await server.client().modern("tools/list")).json()["result"]["tools"]
    handshake = (await server.client().handshake("tools/list")).json()["result"]["tools"]
    assert [tool["name"] for tool in modern] == [tool["name"] for tool in handshake]
    for listed in modern:
        assert listed["inputSchema"]["type"] == "object"
        assert listed["annotations"].keys() >= {"readOnlyHint", "destructiveHint"}


async def test_a_cursor_that_was_never_given_out_is_refused(server: Server) -> None:
    response = await server.client().modern("tools/list", {"cursor": "x"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)


async def test_a_call_works_in_both_eras(server: Server) -> None:
    modern = await server.client().call("whoami")
    handshake = await server.client().handshake("tools/call", {"name": "whoami", "arguments": {}})
    for response in (modern, handshake):
        assert response.status_code == 200
        result = response.json()["result"]
        assert result["structuredContent"]["account"] == "user-ada"
        assert result["content"][0]["type"] == "text"
    assert modern.json()["result"]["resultType"] == "complete"
    assert "io.modelcontextprotocol/serverInfo" in modern.json()["result"]["_meta"]
    assert "resultType" not in handshake.json()["result"]


@requirement("I185")
async def test_an_unknown_tool_is_invalid_params(server: Server) -> None:
    modern = await server.client().call("no_such_tool")
    assert (modern.status_code, modern.json()["error"]["code"]) == (400, -32602)
    handshake = await server.client().handshake("tools/call", {"name": "no_such_tool"})
    assert (handshake.status_code, handshake.json()["error"]["code"]) == (200, -32602)


async def test_wrong_arguments_are_a_result_the_model_can_read(server: Server) -> None:
    response = await server.client().call("whoami", surprise=1)
    assert response.status_code == 200
    result = response.json()["result"]
    assert result["isError"] is True
    assert "surprise" in result["content"][0]["text"]


@requirement("O27", "R2", "C10", "C16", "I187")
@pytest.mark.parametrize("version", [None, "2025-11-25"])
async def test_a_call_beyond_the_grant_is_403_with_all_scopes_needed(
    server: Server, version: str | None
) -> None:
    await server.link()
    client = server.client(scope="user:read")
    params = {"name": "create_val", "arguments": {}}
    if version is None:
        response = await client.modern("tools/call", params)
    else:
        response = await client.handshake("tools/call", params, version=version)
    assert response.status_code == 403
    challenge = response.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="vals:write user:read"' in challenge
    assert 'resource_metadata="https://mcp.test/.well-known/oauth-protected-resource/mcp"' in challenge
    assert response.json()["id"] == 1
    assert response.json()["error"]["data"]["error"] == "insufficient_scope"
    assert not server.outside.val_town_requests


@requirement("C10")
async def test_the_challenge_never_asks_for_offline_access(server: Server) -> None:
    response = await server.client(scope="read offline_access").call("create_val")
    assert 'scope="read vals:write"' in response.headers["www-authenticate"]


@requirement("I187")
async def test_a_batch_with_one_call_beyond_the_grant_runs_nothing(server: Server) -> None:
    await server.link()
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_me"}},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "create_val"}},
    ]
    response = await server.client(scope="user:read").post(batch)
    assert response.status_code == 403
    assert not server.outside.val_town_requests
    alone = await server.client(scope="user:read").post(batch[:1])
    assert alone.status_code == 200
    assert len(server.outside.val_town_requests) == 1


@requirement("I188")
@pytest.mark.parametrize("scope", ["vals:readx", "vals", "VALS:READ", "xvals:read"])
async def test_names_that_only_look_like_a_scope_open_nothing(server: Server, scope: str) -> None:
    assert (await server.client(scope=scope).call("list_my_vals")).status_code == 403


@requirement("C2", "I193")
async def test_upstream_sees_the_grant_s_credential_and_never_our_token(server: Server) -> None:
    await server.link()
    response = await server.client(scope="user:read").call("get_me")
    assert response.status_code == 200
    (request,) = server.outside.val_town_requests
    assert request.headers["authorization"] == f"Bearer {VAL_TOWN_TOKEN}"
    sent = str(request.url) + str(request.headers.raw)
    assert server.token() not in sent
    # Val Town refused it: the model is told, the client's own token is as good as before.
    assert response.json()["result"]["isError"] is True


async def test_the_credential_is_kept_for_a_minute_at_most(server: Server) -> None:
    await server.link("vtwn_first")
    client = server.client(scope="user:read")
    await client.call("get_me")
    await server.link("vtwn_second")
    server.clock.advance(61)
    await client.call("get_me")
    used = [request.headers["authorization"] for request in server.outside.val_town_requests]
    assert used == ["Bearer vtwn_first", "Bearer vtwn_second"]


async def test_a_grant_without_credential_says_so_to_the_model(server: Server) -> None:
    response = await server.client(scope="user:read").call("get_me")
    assert response.status_code == 200
    assert response.json()["result"]["isError"] is True
    assert not server.outside.val_town_requests


@requirement("L230")
async def test_the_credential_of_a_grant_opens_for_its_subject_and_client_only(server: Server) -> None:
    await server.link()
    for change in ({"sub": "user-eve"}, {"client_id": "client-2"}):
        response = await server.client(scope="user:read", **change).call("get_me")
        assert response.json()["result"]["isError"] is True
    assert not server.outside.val_town_requests


async def test_a_fault_of_the_store_is_503_with_the_request_s_id(server: Server) -> None:
    # A value of another type makes the store refuse to read it.
    await server.redis.lpush(credential_key("grant-1"), "x")
    client = server.client(scope="user:read")
    response = await client.call("get_me")
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert response.json()["id"] == 1
    assert not server.outside.val_town_requests
    assert (await client.call("whoami")).status_code == 200


async def test_owner_mode_uses_the_server_s_token(open_server: OpenServer) -> None:
    async with open_server(val_town_api_token="vtwn_owner") as server:
        await server.link(None)
        await server.client(scope="user:read").call("get_me")
        (request,) = server.outside.val_town_requests
        assert request.headers["authorization"] == "Bearer vtwn_owner"


@pytest.mark.parametrize("params", [{}, {"name": 1}, {"name": "whoami", "arguments": []}])
async def test_params_that_do_not_fit_are_invalid_params(server: Server, params: dict[str, Any]) -> None:
    response = await server.client().modern("tools/call", params, mcp_name=str(params.get("name", "x")))
    assert response.status_code == 400
    assert response.json()["error"]["code"] in (-32602, -32020)


@tool(scope=None, title="Own", annotations=Annotations(read_only=True, destructive=False, idempotent=True))
async def with_own_meta(context: ToolContext) -> CallToolResult:
    """Say something beside the result."""
    return CallToolResult(content=[], _meta={"example.com/own": 1})


async def test_what_a_tool_says_beside_its_result_stays(open_server: OpenServer) -> None:
    registry = ToolRegistry()
    registry.add(with_own_meta)
    async with open_server(features=Features(registry)) as server:
        modern = (await server.client().call("with_own_meta")).json()["result"]
        handshake = (await server.client().handshake("tools/call", {"name": "with_own_meta"})).json()[
            "result"
        ]
    assert modern["_meta"].pop("io.modelcontextprotocol/serverInfo")["name"] == "val-town"
    assert modern["_meta"] == handshake["_meta"] == {"example.com/own": 1}
