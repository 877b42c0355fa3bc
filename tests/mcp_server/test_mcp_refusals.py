"""What the MCP server refuses is answered as its row in the table of refusals says."""

from typing import Any

import httpx
import mcp_types
import pytest

from mcp_server.tools.context import ToolContext
from shared.oauth import errors
from shared.refusals import json_rpc, transport
from shared.refusals.oauth import CREDENTIALS, NO_CREDENTIALS, OAUTH, UNAVAILABLE
from shared.refusals.refusal import OAuthRefusal, Refusal, RpcRefusal
from shared.web.limits import MAX_HEADER_BYTES, MAX_TARGET_BYTES
from tests.support.mcp_client import McpClient
from tests.support.refusals import holds
from tests.support.resource_server import OpenServer, Outside, Server
from tests.support.tokens import SigningKey
from tests.support.trial_features import offering

pytestmark = pytest.mark.anyio

BY_CLASS = {row.raised: row for row in CREDENTIALS if isinstance(row, OAuthRefusal)}
OF_METADATA = {row.raised: row for row in OAUTH}
JSON = {"Content-Type": "application/json"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


class Broken(Outside):
    """Surroundings that make the server fail in a way that nobody foresaw."""

    bug: bool = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of the server."""
        if self.bug:
            raise RuntimeError
        return super().answer(request)


@pytest.fixture
def outside(signing_key: SigningKey) -> Broken:
    return Broken(keys=[signing_key.public_jwk()])


# Credentials


async def test_a_credential_is_refused_as_its_row_says(server: Server) -> None:
    holds(await McpClient(server.http).modern("tools/list"), NO_CREDENTIALS)
    holds(await server.present("mal formed"), BY_CLASS[errors.InvalidRequest])
    holds(await server.present("unknown"), BY_CLASS[errors.InvalidToken])
    call = await server.client(scope="read").call("delete_val", val="ada/x")
    holds(call, BY_CLASS[errors.InsufficientScope])


async def test_without_the_issuer_s_keys_the_answer_is_as_its_rows_say(
    open_server: OpenServer, outside: Outside
) -> None:
    outside.issuer_down = True
    async with open_server(ready=False) as server:
        holds(await server.present(server.token()), UNAVAILABLE)
        holds(await server.http.get("/readyz"), transport.NOT_READY)
        response = await server.http.get("/.well-known/oauth-authorization-server")
        holds(response, OF_METADATA[errors.TemporarilyUnavailable])


async def test_switched_off_the_metadata_answer_as_their_row_says(open_server: OpenServer) -> None:
    async with open_server(oauth_enabled=False, oauth_encryption_key=None) as server:
        response = await server.http.get("/.well-known/oauth-protected-resource")
        holds(response, OF_METADATA[errors.OAuthNotEnabled])


# Messages


@pytest.mark.parametrize(
    ("row", "body", "version"),
    [
        (json_rpc.PARSE_ERROR, b"{", "2026-07-28"),
        (json_rpc.PARSE_ERROR, b"{", "2025-11-25"),
        (json_rpc.INVALID_REQUEST, {**LIST, "jsonrpc": "1.0"}, "2026-07-28"),
        (json_rpc.INVALID_REQUEST, [LIST], "2025-11-25"),
        (json_rpc.UNSUPPORTED_VERSION, LIST, "1999-01-01"),
    ],
)
async def test_a_body_is_refused_as_the_row_says(
    server: Server, row: RpcRefusal, body: Any, version: str
) -> None:
    response = await server.client().post(body, mcp_protocol_version=version)
    holds(response, row)
    assert row.status == row.handshake_status == json_rpc.UNREADABLE_BODY


async def test_a_header_that_disagrees_is_refused_as_its_row_says(server: Server) -> None:
    holds(await server.client().modern("tools/list", mcp_method="ping"), json_rpc.HEADER_MISMATCH)


@pytest.mark.parametrize(
    ("row", "method", "params"),
    [
        (json_rpc.METHOD_NOT_FOUND, "nothing/here", {}),
        (json_rpc.INVALID_PARAMS, "resources/read", {"uri": "valtown://nothing"}),
        (json_rpc.UPSTREAM_FAILED, "resources/read", {"uri": "valtown://me"}),
    ],
)
async def test_a_message_is_refused_as_the_row_says(
    server: Server, row: RpcRefusal, method: str, params: dict[str, Any]
) -> None:
    await server.link()
    holds(await server.client().modern(method, params), row)
    handshake = await server.client().handshake(method, params)
    assert (handshake.status_code, handshake.json()["error"]["code"]) == (row.handshake_status, row.code)


async def test_a_bug_is_answered_as_its_row_says(server: Server, outside: Broken) -> None:
    await server.link()
    outside.bug = True
    holds(await server.client().call("get_me"), json_rpc.INTERNAL_ERROR)
    handshake = await server.client().handshake("tools/call", {"name": "get_me", "arguments": {}})
    assert handshake.status_code == json_rpc.INTERNAL_ERROR.handshake_status


async def test_a_capability_that_lacks_is_answered_as_its_row_says(open_server: OpenServer) -> None:
    async def ask_for_roots(context: ToolContext) -> None:
        await context.ask({"roots": mcp_types.ListRootsRequest()})

    async with open_server(features=offering(ask_for_roots)) as server:
        holds(await server.client().call("ask_for_roots"), json_rpc.MISSING_CAPABILITY)


# HTTP


@pytest.mark.parametrize(
    ("row", "path", "headers", "body"),
    [
        (transport.MALFORMED_LENGTH, "/mcp", {**JSON, "Content-Length": "+1"}, b"{}"),
        (transport.FOREIGN_ORIGIN, "/mcp", {**JSON, "Origin": "https://evil.test"}, b"{}"),
        (transport.MCP_NOT_FOUND, "/mcp/nothing", JSON, b"{}"),
        (transport.LARGE_BODY, "/mcp", JSON, b" " * (4 * 1024 * 1024 + 1)),
        (transport.ENCODED_BODY, "/mcp", {**JSON, "Content-Encoding": "gzip"}, b"{}"),
        (transport.WRONG_MEDIA_TYPE, "/mcp", {"Content-Type": "text/plain"}, b"{}"),
        (transport.WRONG_HOST, "/mcp", {**JSON, "Host": "evil.test"}, b"{}"),
    ],
)
async def test_a_post_is_refused_as_the_row_says(
    server: Server, row: Refusal, path: str, headers: dict[str, str], body: bytes
) -> None:
    headers = {**headers, "Authorization": f"Bearer {server.token()}"}
    response = await server.http.post(path, headers=headers, content=body)
    holds(response, row, code=json_rpc.INVALID_REQUEST.code)


async def test_other_methods_and_urls_are_refused_as_their_rows_say(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token()}"}
    response = await server.http.get("/mcp", headers=headers)
    holds(response, transport.MCP_WRONG_METHOD, code=json_rpc.INVALID_REQUEST.code)
    holds(await server.http.get("/nothing"), transport.OTHER_NOT_FOUND)
    holds(await server.http.post("/healthz"), transport.OTHER_WRONG_METHOD)


@pytest.mark.parametrize(
    ("row", "path", "headers"),
    [
        (transport.SEVERAL_HOSTS, "/mcp", [("Host", "mcp.test"), ("Host", "b.test")]),
        (transport.LONG_TARGET, "/mcp?" + "x" * MAX_TARGET_BYTES, []),
        (transport.LARGE_HEADERS, "/mcp", [("X-Large", "x" * MAX_HEADER_BYTES)]),
    ],
)
async def test_a_head_is_refused_as_the_row_says(
    server: Server, row: Refusal, path: str, headers: list[tuple[str, str]]
) -> None:
    holds(await server.http.get(path, headers=headers), row)
