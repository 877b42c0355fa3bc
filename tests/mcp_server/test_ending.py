"""A process that ends answers what it could not finish: 503, or an error as the last of a stream."""

import asyncio

import httpx
import pytest

from mcp_server.tools.context import ToolContext
from shared.web.draining import Draining
from tests.support.events import is_stream, messages_of
from tests.support.mcp_client import McpClient, modern_meta
from tests.support.resource_server import OpenServer, Server
from tests.support.trial_features import offering

pytestmark = pytest.mark.anyio


class Hanging:
    """Tools that never end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def hang(self, _context: ToolContext) -> None:
        self.begun.set()
        await asyncio.Event().wait()

    async def hang_after_progress(self, context: ToolContext) -> None:
        await context.report_progress(1)
        await self.hang(context)


async def cut_off_in(server: Server, tool: str, begun: asyncio.Event) -> httpx.Response:
    """Return the answer to a call that is under way when the process ends."""
    draining = Draining(server.app)
    base = str(server.http.base_url)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(draining), base_url=base) as http:
        params = {"name": tool, "_meta": {**modern_meta(), "progressToken": 1}}
        client = McpClient(http, server.token())
        accept = "application/json, text/event-stream"
        calling = asyncio.create_task(client.modern("tools/call", params, accept=accept))
        async with asyncio.timeout(5):
            await begun.wait()
            draining.begin()
            draining.cut_off()
            return await calling


async def test_a_call_that_was_not_finished_is_503(open_server: OpenServer) -> None:
    hanging = Hanging()
    async with open_server(features=offering(hanging.hang)) as server:
        response = await cut_off_in(server, "hang", hanging.begun)
    assert response.status_code == 503
    assert 1 <= int(response.headers["retry-after"]) <= 3
    assert response.headers["connection"] == "close"
    assert response.json()["error"]["data"]["error"] == "temporarily_unavailable"
    assert response.json()["id"] == 1


async def test_a_stream_that_was_not_finished_ends_with_an_error(open_server: OpenServer) -> None:
    hanging = Hanging()
    async with open_server(features=offering(hanging.hang_after_progress)) as server:
        response = await cut_off_in(server, "hang_after_progress", hanging.begun)
    assert is_stream(response)
    progress, answer = messages_of(response.text)
    assert progress["method"] == "notifications/progress"
    assert answer["error"]["data"]["error"] == "temporarily_unavailable"
    assert answer["id"] == 1
