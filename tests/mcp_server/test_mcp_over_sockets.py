"""`/mcp` as it is served, on real sockets: what a client can do with bytes and with patience."""

import json
import resource
from contextlib import AsyncExitStack

import pytest
from mcp_types import CallToolResult, TextContent

from mcp_server.endpoints.mcp import MAX_BODY_BYTES
from mcp_server.protocol.features import Features
from mcp_server.tools.context import ToolContext
from mcp_server.tools.registry import Annotations, ToolRegistry, tool
from tests.requirements import requirement
from tests.support.events import messages_of
from tests.support.resource_server import OpenServer, Server
from tests.support.served import connected, head, request, serving
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def ping(server: Server, **headers: str) -> bytes:
    return request(PING, authorization=f"Bearer {server.token()}", **headers)


def to(target: str, whole: bytes) -> bytes:
    """Return a request to another target."""
    return whole.replace(b"POST /mcp ", f"POST {target} ".encode(), 1)


@requirement("C15", "I200")
async def test_a_connection_authenticates_nobody(server: Server) -> None:
    async with serving(server.app) as port, connected(port) as connection:
        await connection.send(ping(server))
        assert (await connection.read_answer())[0] == 200
        await connection.send(request(PING))
        assert (await connection.read_answer())[0] == 401
        await connection.send(request(PING, authorization=f"Bearer {server.token(exp=1)}"))
        assert (await connection.read_answer())[0] == 401
        await connection.send(ping(server))
        assert (await connection.read_answer())[0] == 200


@requirement("J209", "I200")
async def test_requests_sent_at_once_are_answered_in_their_order(server: Server) -> None:
    async with serving(server.app) as port, connected(port) as connection:
        token = f"Bearer {server.token()}"
        await connection.send(
            b"".join(request({**PING, "id": number}, authorization=token) for number in range(100))
        )
        answers = [json.loads((await connection.read_answer())[1])["id"] for _ in range(100)]
    assert answers == list(range(100))


@requirement("J204")
@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/mcp", 200),
        ("http://mcp.test/mcp", 200),
        ("HTTP://MCP.TEST/mcp", 200),
        ("http://evil.test/mcp", 400),
        ("http://mcp.test@evil.test/mcp", 400),
        ("http://evil.test", 400),
        ("http://mcp.test:81/mcp", 400),
        ("mcp.test:443", 400),
        ("//mcp.test/mcp", 404),
    ],
)
async def test_a_target_with_a_host_must_name_the_host_of_the_header(
    server: Server, target: str, status: int
) -> None:
    async with serving(server.app) as port, connected(port) as connection:
        await connection.send(to(target, ping(server)))
        answer = await connection.read_until(b"\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


@requirement("J206")
async def test_a_body_of_100_mib_is_cut_early_and_costs_no_memory(server: Server) -> None:
    token = f"Bearer {server.token()}"
    async with serving(server.app) as port:
        async with connected(port) as connection:
            await connection.send(head(100 * 2**20, authorization=token))
            assert (await connection.read_answer())[0] == 413
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with connected(port) as connection:
            await connection.send(head(authorization=token, transfer_encoding="chunked"))
            chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"
            sent = 0
            try:
                while sent < 100:
                    await connection.send(chunk)
                    sent += 1
            except ConnectionError:
                pass
            assert (await connection.read_answer())[0] == 413 if sent == 100 else sent < 100
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown * 1024 < 40 * 2**20
        async with connected(port) as connection:
            largest = ping(server).replace(b'"ping"', b'"ping"' + b" " * 1000)
            await connection.send(request(largest.partition(b"\r\n\r\n")[2], authorization=token))
            assert (await connection.read_answer())[0] == 200
    assert MAX_BODY_BYTES < 100 * 2**20


@requirement("J208")
async def test_idle_connections_are_bounded_and_leave_room_when_they_go(server: Server) -> None:
    async with serving(server.app, most_connections=20) as port:
        async with AsyncExitStack() as idle:
            for _ in range(30):
                await idle.enter_async_context(connected(port))
            async with connected(port) as connection:
                await connection.send(ping(server))
                answer = (await connection.read_until(b"\r\n\r\n")).lower()
            assert answer.startswith(b"http/1.1 503 ")
            assert b"\r\nretry-after: " in answer
            assert b"\r\nconnection: close\r\n" in answer

        async def served_again() -> bool:
            async with connected(port) as connection:
                await connection.send(ping(server))
                return (await connection.read_until(b"\r\n")).startswith(b"HTTP/1.1 200 ")

        await until(served_again)


ODD = "a\r\n\r\ndata: {}\r\n\r\nevent: x\n\n\x00\x1b[2J\x85\u2028\u202e\ufeff\x7f"


@tool(scope=None, title="Odd", annotations=Annotations(True, False, True))
async def odd(context: ToolContext) -> CallToolResult:
    """Return text that would end an event, were it not data."""
    await context.report_progress(1, message=ODD)
    return CallToolResult(content=[TextContent(type="text", text=ODD)])


@requirement("I195")
@pytest.mark.parametrize("accept", ["application/json", "application/json, text/event-stream"])
async def test_control_sequences_in_a_result_are_data(open_server: OpenServer, accept: str) -> None:
    registry = ToolRegistry()
    registry.add(odd)
    async with open_server(features=Features(registry)) as server:
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "odd", "_meta": {"progressToken": ODD}},
        }
        response = await server.client().post(body, accept=accept)
    if "event-stream" in accept:
        events = response.content.split(b"\n\n")
        assert len(events) == 3
        progress, answer = (messages_of(event)[0] for event in events[:2])
        assert progress["params"]["message"] == progress["params"]["progressToken"] == ODD
    else:
        answer = response.json()
    assert answer["result"]["content"][0]["text"] == ODD
    assert all(byte >= 0x20 or byte == 0x0A for byte in response.content)
