"""Lists of more than a page, and arguments that headers repeat (MCP "Pagination", "Custom Headers")."""

import base64
from typing import Annotated, Any

import httpx
import pytest
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.protocol.cursors import PAGE_SIZE
from mcp_server.protocol.features import Features
from mcp_server.tools.context import ToolContext
from mcp_server.tools.registry import Annotations, ToolRegistry, tool
from tests.requirements import requirement
from tests.support.resource_server import OpenServer
from tests.support.trial_features import Work, offering

pytestmark = pytest.mark.anyio

READS = Annotations(read_only=True, destructive=False, idempotent=True)


def tool_number(number: int) -> Work:
    async def work(context: ToolContext) -> None:
        pass

    work.__name__ = f"tool_{number}"
    return work


MANY = offering(*(tool_number(number) for number in range(2 * PAGE_SIZE + 1)))


async def test_pages_follow_their_cursors_to_the_end(open_server: OpenServer) -> None:
    async with open_server(features=MANY) as server:
        client = server.client()
        for era in (client.modern, client.handshake):
            names: list[str] = []
            sizes: list[int] = []
            params: dict[str, Any] = {}
            while True:
                page = (await era("tools/list", params)).json()["result"]
                sizes.append(len(page["tools"]))
                names += [found["name"] for found in page["tools"]]
                if "nextCursor" not in page:
                    break
                params = {"cursor": page["nextCursor"]}
            assert sizes == [PAGE_SIZE, PAGE_SIZE, 1]
            assert names == [f"tool_{number}" for number in range(2 * PAGE_SIZE + 1)]


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "wrong",
    [
        "x",
        "",
        "%",
        "é",
        cursor("tools/list 0"),
        cursor("tools/list 50"),
        cursor("tools/list 300"),
        cursor("tools/list -100"),
        cursor("tools/list 0100"),
        cursor("prompts/list 100"),
        cursor("100"),
        cursor("tools/list 100") + "=",
    ],
)
async def test_a_cursor_that_was_never_given_out_is_refused(open_server: OpenServer, wrong: str) -> None:
    async with open_server(features=MANY) as server:
        response = await server.client().modern("tools/list", {"cursor": wrong})
        assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)
        good = await server.client().modern("tools/list", {"cursor": cursor("tools/list 100")})
        assert good.status_code == 200


@tool(scope=None, title="Query", annotations=READS)
async def query(
    context: ToolContext,
    region: Annotated[str | None, Field(json_schema_extra={"x-mcp-header": "Region"})] = None,
    rows: Annotated[int | None, Field(json_schema_extra={"x-mcp-header": "Rows"})] = None,
    dry: Annotated[bool | None, Field(json_schema_extra={"x-mcp-header": "Dry"})] = None,
) -> CallToolResult:
    """Do nothing."""
    return CallToolResult(content=[])


def with_query() -> Features:
    registry = ToolRegistry()
    registry.add(query)
    return Features(registry)


async def ask(
    open_server: OpenServer, arguments: dict[str, Any], headers: list[tuple[str, str]]
) -> httpx.Response:
    async with open_server(features=with_query()) as server:
        client = server.client()
        client.http.headers = httpx.Headers(headers)
        return await client.modern("tools/call", {"name": "query", "arguments": arguments})


@requirement("I183", "C14")
@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({}, []),
        ({"region": None}, []),
        ({"region": "eu"}, [("Mcp-Param-Region", "eu")]),
        ({"region": "eu"}, [("mcp-param-REGION", " eu ")]),
        ({"region": "Zürich"}, [("Mcp-Param-Region", "=?base64?WsO8cmljaA==?=")]),
        ({"region": ""}, [("Mcp-Param-Region", "")]),
        (
            {"rows": 12, "dry": False},
            [("Mcp-Param-Rows", "12"), ("Mcp-Param-Dry", "false"), ("Mcp-Param-Unknown", "x")],
        ),
    ],
)
async def test_headers_that_repeat_the_arguments_pass(
    open_server: OpenServer, arguments: dict[str, Any], headers: list[tuple[str, str]]
) -> None:
    response = await ask(open_server, arguments, headers)
    assert response.status_code == 200, response.text


@requirement("I183", "C14")
@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({"region": "eu"}, []),
        ({}, [("Mcp-Param-Region", "eu")]),
        ({"region": None}, [("Mcp-Param-Region", "")]),
        ({"region": "eu"}, [("Mcp-Param-Region", "us")]),
        ({"region": "eu"}, [("Mcp-Param-Region", "EU")]),
        ({"region": "eu"}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Region", "eu")]),
        ({"region": "Hello"}, [("Mcp-Param-Region", "=?base64?SGVsbG8?=")]),
        ({"region": "Hello"}, [("Mcp-Param-Region", "=?base64?SGVs!!!bG8=?=")]),
        ({"rows": 12}, [("Mcp-Param-Rows", "13")]),
        ({"dry": True}, [("Mcp-Param-Dry", "True")]),
        ({"rows": [12]}, [("Mcp-Param-Rows", "12")]),
    ],
)
async def test_headers_that_say_something_else_than_the_arguments_are_refused(
    open_server: OpenServer, arguments: dict[str, Any], headers: list[tuple[str, str]]
) -> None:
    response = await ask(open_server, arguments, headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32020)
    # Two headers of one name are noticed before the body is read, and with it the id.
    assert response.json().get("id", 1) == 1


async def test_the_list_says_which_headers_repeat_what(open_server: OpenServer) -> None:
    async with open_server(features=with_query()) as server:
        (listed,) = (await server.client().modern("tools/list")).json()["result"]["tools"]
    assert listed["inputSchema"]["properties"]["region"]["x-mcp-header"] == "Region"


async def test_handshake_revisions_have_no_such_headers(open_server: OpenServer) -> None:
    async with open_server(features=with_query()) as server:
        call = {"name": "query", "arguments": {"region": "eu"}}
        assert (await server.client().handshake("tools/call", call)).status_code == 200


@requirement("I197")
async def test_browsers_may_send_the_headers_that_tools_name_and_no_others(open_server: OpenServer) -> None:
    preflight = {"Origin": "https://mcp.test", "Access-Control-Request-Method": "POST"}
    async with open_server(features=with_query()) as server:
        named = await server.http.options("/mcp", headers=preflight)
    async with open_server() as server:
        plain = await server.http.options("/mcp", headers=preflight)
    allowed = named.headers["access-control-allow-headers"].split(", ")
    assert allowed[-3:] == ["Mcp-Param-Region", "Mcp-Param-Rows", "Mcp-Param-Dry"]
    assert plain.headers["access-control-allow-headers"].split(", ") == allowed[:-3]
