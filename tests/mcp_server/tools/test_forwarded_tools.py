"""Tools that Val Town's own MCP server answers, against a stand-in for it."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from mcp_server.settings import McpSettings
from mcp_server.tools.catalog import build_registry
from shared.oauth.authorization_details import details_of
from shared.policy import SCOPES
from tests.support.mcp_client import McpClient
from tests.support.resource_server import VAL_TOWN, OpenServer, Server, streamed
from tests.support.tokens import SigningKey
from tests.support.with_sandbox import ADA_TOKEN, WithSandbox, running_sandbox

pytestmark = pytest.mark.anyio

URL = f"{VAL_TOWN}/v3/mcp"
EVERYTHING = "read write"
HELLO = "ada/hello-http"

CALLS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "run_file": ({"path": "main.ts"}, "run_file", {"path": "main.ts", "branch": "main"}),
    "update_val": ({"privacy": "unlisted"}, "update_val", {"privacy": "unlisted"}),
    "get_schedule": (
        {"path": "main.ts"},
        "read_interval_settings",
        {"path": "main.ts", "branch": "main"},
    ),
    "set_schedule": (
        {"path": "main.ts", "cron": "0  9 * * 1"},
        "write_interval_settings",
        {"path": "main.ts", "branch": "main", "type": "cron", "cron": "0 9 * * 1"},
    ),
    "get_val_history": ({}, "get_val_history", {"branch": "main", "limit": 20, "offset": 0}),
    "merge_branch": ({"branch": "draft"}, "merge_branch", {"branch": "draft", "target": "main"}),
}
"""Tool → its arguments, and what the server there is asked."""


def _done(message: dict[str, Any]) -> httpx.Response:
    return result(message, {"content": [{"type": "text", "text": "done"}]})


@dataclass
class WithOfficial(WithSandbox):
    """The sandbox, and Val Town's own MCP server beside it."""

    answer_with: Callable[[dict[str, Any]], httpx.Response] = _done
    forwarded: list[tuple[httpx.Request, dict[str, Any]]] = field(default_factory=list)

    async def pass_on(self, request: httpx.Request) -> httpx.Response:
        if str(request.url) != URL:
            return await super().pass_on(request)
        message = json.loads(request.content)
        self.forwarded.append((request, message))
        return self.answer_with(message)


def result(message: dict[str, Any], members: object) -> httpx.Response:
    body = {"jsonrpc": "2.0", "id": message["id"], "result": members}
    return streamed(200, json.dumps(body).encode(), {"content-type": "application/json"})


@pytest.fixture
async def outside(signing_key: SigningKey, tmp_path: Path, anyio_backend: str) -> AsyncIterator[WithOfficial]:
    async with running_sandbox(tmp_path) as sandbox:
        yield WithOfficial(keys=[signing_key.public_jwk()], sandbox=sandbox)


@pytest.fixture
async def linked(open_server: OpenServer) -> AsyncIterator[Server]:
    async with open_server(val_town_upstream_mcp_url=URL) as server:
        await server.link(ADA_TOKEN)
        yield server


async def call(client: McpClient, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    response = await client.modern("tools/call", {"name": tool, "arguments": arguments}, mcp_name=tool)
    assert response.status_code == 200, response.text
    return dict(response.json()["result"])


def said(result: dict[str, Any]) -> str:
    assert result["isError"] is True
    return str(result["content"][0]["text"])


async def names(client: McpClient) -> set[str]:
    listed: set[str] = set()
    cursor: dict[str, str] = {}
    while True:
        page = (await client.modern("tools/list", cursor)).json()["result"]
        listed |= {tool["name"] for tool in page["tools"]}
        if "nextCursor" not in page:
            return listed
        cursor = {"cursor": page["nextCursor"]}


def test_every_forwarded_tool_is_tried_here() -> None:
    assert set(CALLS) == {tool for scope in SCOPES.values() for tool in scope.forwarded}


async def test_they_are_there_only_where_it_is_set_up(linked: Server, open_server: OpenServer) -> None:
    assert set(CALLS) <= await names(linked.client(scope=EVERYTHING))
    async with open_server() as plain:
        assert not set(CALLS) & await names(plain.client(scope=EVERYTHING))
        response = await plain.client(scope=EVERYTHING).modern(
            "tools/call", {"name": "run_file", "arguments": {"val": HELLO, "path": "main.ts"}}
        )
        assert response.json()["error"]["code"] == -32602


@pytest.mark.parametrize("tool", CALLS)
async def test_a_call_goes_there_with_the_credential_of_the_grant(
    linked: Server, outside: WithOfficial, tool: str
) -> None:
    arguments, asked, given = CALLS[tool]
    outside.answer_with = lambda message: result(
        message,
        {"content": [{"type": "text", "text": "done"}], "structuredContent": {"value": [1]}},
    )
    answer = await call(linked.client(scope=EVERYTHING), tool, {"val": HELLO, **arguments})
    assert not answer.get("isError"), answer
    assert answer["structuredContent"] == {"text": "done", "result": {"value": [1]}}
    known = build_registry(forwarding=True).get(tool)
    assert known is not None
    assert known.definition.output_schema is not None
    Draft202012Validator(known.definition.output_schema).validate(answer["structuredContent"])
    ((request, message),) = outside.forwarded
    assert request.headers["authorization"] == f"Bearer {ADA_TOKEN}"
    assert request.headers["accept"] == "application/json, text/event-stream"
    assert message["method"] == "tools/call"
    assert message["params"] == {"name": asked, "arguments": {"val": HELLO, **given}}


@pytest.mark.parametrize("tool", CALLS)
async def test_without_its_scope_it_is_403_and_nothing_is_sent(
    linked: Server, outside: WithOfficial, tool: str
) -> None:
    response = await linked.client(scope="blobs:read").modern(
        "tools/call", {"name": tool, "arguments": {"val": HELLO, **CALLS[tool][0]}}, mcp_name=tool
    )
    assert response.status_code == 403
    assert outside.forwarded == []


@pytest.mark.parametrize("tool", CALLS)
async def test_a_val_that_is_not_there_is_said(linked: Server, outside: WithOfficial, tool: str) -> None:
    answer = await call(linked.client(scope=EVERYTHING), tool, {"val": "ada/nothing-here", **CALLS[tool][0]})
    assert "404" in said(answer)
    assert outside.forwarded == []


@pytest.mark.parametrize("tool", CALLS)
@pytest.mark.parametrize("by_id", [False, True])
async def test_a_limited_grant_stays_within_its_vals(
    linked: Server, outside: WithOfficial, tool: str, by_id: bool
) -> None:
    found = await call(linked.client(scope=EVERYTHING), "list_my_vals", {})
    ids = {val["name"]: val["id"] for val in found["structuredContent"]["vals"]}
    other = linked.client(scope=EVERYTHING, **details_of([ids["nightly-report"]]))
    reference = ids["hello-http"] if by_id else HELLO
    answer = await call(other, tool, {"val": reference, **CALLS[tool][0]})
    assert "limited to chosen vals" in said(answer)
    assert outside.forwarded == []
    chosen = linked.client(scope=EVERYTHING, **details_of([ids["hello-http"]]))
    assert not (await call(chosen, tool, {"val": reference, **CALLS[tool][0]})).get("isError")


def _stream(*events: bytes) -> Callable[[dict[str, Any]], httpx.Response]:
    return lambda _message: streamed(200, b"".join(events), {"content-type": "text/event-stream; x=y"})


async def test_an_event_stream_is_read_up_to_its_response(linked: Server, outside: WithOfficial) -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}
    done = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "late"}]}}
    outside.answer_with = _stream(
        b": hello\n\n",
        b"event: message\ndata: " + json.dumps(note).encode() + b"\n\n",
        b"data:" + json.dumps(done).encode() + b"\r\n\r\n",
    )
    answer = await call(linked.client(scope=EVERYTHING), "get_val_history", {"val": HELLO})
    assert answer["structuredContent"]["text"] == "late"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (streamed(401, b"{}"), "Val Town answered 401"),
        (streamed(403, b'{"message": "no"}'), "Val Town answered 403: no"),
        (streamed(404, b""), "404"),
        (streamed(429, b"", {"retry-after": "7"}), "Wait 7 seconds"),
        (streamed(500, b"<html>"), "500"),
        (streamed(302, b"", {"location": "https://evil.test/"}), "redirect"),
        (streamed(200, b""), "not what MCP promises"),
        (streamed(200, b"[]"), "not what MCP promises"),
        (streamed(200, b'{"jsonrpc": "2.0", "id": 2, "result": {}}'), "not what MCP promises"),
        (streamed(200, b'{"jsonrpc": "2.0", "id": 1, "result": {"content": 7}}'), "not what MCP promises"),
        (streamed(200, b'{"jsonrpc": "2.0", "id": 1, "result"'), "not what MCP promises"),
        (
            streamed(200, b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no tool"}}'),
            "no tool",
        ),
        (
            streamed(
                200,
                b'{"jsonrpc": "2.0", "id": 1, "result": {"isError": true, "content": '
                b'[{"type": "text", "text": "it threw"}, {"type": "image"}, 3]}}',
            ),
            "it threw",
        ),
        (streamed(200, b"x" * (9 * 1024 * 1024)), "larger than"),
    ],
    ids=range(14),
)
async def test_whatever_goes_wrong_there_is_an_error_of_the_tool(
    linked: Server, outside: WithOfficial, answer: httpx.Response, expected: str
) -> None:
    outside.answer_with = lambda _message: answer
    found = await call(linked.client(scope=EVERYTHING), "run_file", {"val": HELLO, "path": "main.ts"})
    assert expected in said(found)
    assert ADA_TOKEN not in said(found)
    assert len(outside.forwarded) == 1


async def test_no_connection_is_an_error_of_the_tool(linked: Server, outside: WithOfficial) -> None:
    def broken(_message: dict[str, Any]) -> httpx.Response:
        raise httpx.ConnectError("down")

    outside.answer_with = broken
    found = await call(linked.client(scope=EVERYTHING), "run_file", {"val": HELLO, "path": "main.ts"})
    assert "cannot be reached" in said(found)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("update_val", {}),
        ("update_val", {"name": "../x"}),
        ("update_val", {"privacy": "secret"}),
        ("set_schedule", {"path": "main.ts"}),
        ("set_schedule", {"path": "main.ts", "cron": "* * * * *", "every": 5}),
        ("set_schedule", {"path": "main.ts", "cron": "every minute"}),
        ("set_schedule", {"path": "main.ts", "every": 0}),
        ("run_file", {"path": "../main.ts"}),
        ("run_file", {"path": "a\nb"}),
        ("merge_branch", {"branch": "a/b"}),
        ("get_val_history", {"limit": 1000}),
    ],
)
async def test_wrong_arguments_are_refused_here(
    linked: Server, outside: WithOfficial, tool: str, arguments: dict[str, Any]
) -> None:
    assert said(await call(linked.client(scope=EVERYTHING), tool, {"val": HELLO, **arguments}))
    assert outside.forwarded == []


@pytest.mark.parametrize(
    "url", ["http://elsewhere.example/mcp", "ftp://x", "https://x/y?z=1", "https://u@x/"]
)
def test_the_address_must_be_one_that_credentials_may_go_to(url: str) -> None:
    with pytest.raises(ValueError, match="val_town_upstream_mcp_url"):
        McpSettings.model_validate({"oauth_enabled": False, "val_town_upstream_mcp_url": url})
