"""One user's calls cannot take all connections to Val Town from the others."""

import asyncio

import anyio
import anyio.lowlevel
import httpx
import pytest

from shared.valtown.fair_share import CALLS_AT_ONCE
from tests.support.resource_server import Outside, Server

pytestmark = pytest.mark.anyio


class Slow(httpx.AsyncBaseTransport):
    """A Val Town that answers nobody until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.waiting: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.waiting.append(request.headers["authorization"])
        await self.go.wait()
        return httpx.Response(404, stream=httpx.ByteStream(b'{"message": "no"}'))


async def test_a_busy_user_waits_for_its_own_calls_and_nobody_else_does(
    server: Server, outside: Outside
) -> None:
    outside.val_town = slow = Slow()
    await server.link("vtwn_busy")
    busy = server.client(scope="user:read")
    legacy = {"X-Val-Town-Token": "vtwn_other"}

    async def ask_as_other() -> None:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_me"}}
        await server.http.post("/mcp", json=body, headers=legacy)

    async def watch() -> None:
        while (
            "Bearer vtwn_other" not in slow.waiting or slow.waiting.count("Bearer vtwn_busy") < CALLS_AT_ONCE
        ):
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as calls:
        for _ in range(3 * CALLS_AT_ONCE):
            calls.start_soon(busy.modern, "tools/call", {"name": "get_me", "arguments": {}})
        calls.start_soon(ask_as_other)
        with anyio.fail_after(5):
            await watch()
        assert slow.waiting.count("Bearer vtwn_busy") == CALLS_AT_ONCE
        slow.go.set()
    assert slow.waiting.count("Bearer vtwn_busy") == 3 * CALLS_AT_ONCE
