"""Calls whose client goes away, or whose token dies, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from mcp_server.app import build_features
from mcp_server.tools.context import ToolContext
from shared.revocation import CHANNEL
from tests.requirements import requirement
from tests.support.events import messages_of
from tests.support.listening import listening
from tests.support.mcp_client import MODERN, modern_meta
from tests.support.resource_server import OpenServer, Outside, Server
from tests.support.served import Connection, connected, request, serving
from tests.support.tokens import SigningKey
from tests.support.trial_features import offering
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


@dataclass
class Steps:
    """What a tool did so far."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> None:
        """Wait as a call to Val Town would."""
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def call(server: Server, name: str, *, era: str = MODERN, **arguments: str) -> bytes:
    """Return the bytes of a tool call."""
    params = {"name": name, "arguments": arguments, "_meta": {**modern_meta(), "progressToken": 1}}
    return request(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
        authorization=f"Bearer {server.token(scope='read write')}",
        accept="application/json, text/event-stream",
        mcp_protocol_version=era,
        mcp_method="tools/call",
        mcp_name=name,
    )


@asynccontextmanager
async def calling(server: Server, name: str, **arguments: str) -> AsyncIterator[Connection]:
    """Send a tool call on a connection of its own."""
    async with serving(server.app) as port, connected(port) as connection:
        await connection.send(call(server, name, **arguments))
        yield connection


@requirement("I191")
@pytest.mark.parametrize("era", [MODERN, "2025-11-25"])
async def test_a_client_that_leaves_takes_its_call_along(open_server: OpenServer, era: str) -> None:
    steps = Steps()

    async def look(context: ToolContext) -> None:
        await context.valtown()
        await steps.wait()

    async with open_server(features=offering(look)) as server:
        await server.link()
        async with calling(server, "look", era=era) as connection:
            await steps.begun.wait()
            connection.close()
            async with asyncio.timeout(5):
                await steps.cancelled.wait()


@requirement("I191")
async def test_a_client_that_leaves_a_stream_takes_its_call_along(open_server: OpenServer) -> None:
    steps = Steps()

    async def tell(context: ToolContext) -> None:
        await context.report_progress(1)
        await steps.wait()

    async with open_server(features=offering(tell)) as server, calling(server, "tell") as connection:
        await connection.read_until(b"notifications/progress")
        connection.close()
        async with asyncio.timeout(5):
            await steps.cancelled.wait()


@requirement("I191")
async def test_a_client_that_stays_gets_its_answer(open_server: OpenServer) -> None:
    steps = Steps()

    async def look(context: ToolContext) -> None:
        await context.valtown()
        await steps.wait()

    async with open_server(features=offering(look)) as server:
        await server.link()
        async with calling(server, "look") as connection:
            await steps.begun.wait()
            steps.go_on.set()
            status, body = await connection.read_answer()
            assert (status, b'"done"' in body) == (200, True)
            # The connection is good for another request.
            await connection.send(call(server, "look"))
            assert (await connection.read_answer())[0] == 200


class SlowValTown:
    """A Val Town that takes connections and does not answer; notes which are closed."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the other side closes it."""
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        await reader.read()
        self.closed.set()
        writer.close()


class WithRealValTown(Outside):
    """Surroundings whose Val Town is reached over a socket."""

    def client(self) -> httpx.AsyncClient:
        """Return what the server reaches its surroundings with."""
        return httpx.AsyncClient(mounts={"https://auth.test": httpx.MockTransport(self.answer)})


@pytest.fixture
def outside(signing_key: SigningKey) -> Outside:
    return WithRealValTown(keys=[signing_key.public_jwk()])


@requirement("I191")
async def test_the_call_to_val_town_ends_with_the_client_s(open_server: OpenServer) -> None:
    val_town = SlowValTown()
    async with (
        listening(val_town.serve) as port,
        open_server(features=build_features(), val_town_api_url=f"http://127.0.0.1:{port}") as server,
    ):
        await server.link()
        async with calling(server, "get_me") as connection:
            await val_town.asked.wait()
            connection.close()
            async with asyncio.timeout(5):
                await val_town.closed.wait()


async def revoke(server: Server) -> None:
    await server.redis.publish(CHANNEL, "deny grant-1 3600")


async def expire(server: Server) -> None:
    server.clock.advance(3700)


@requirement("I190")
@pytest.mark.parametrize("end", [revoke, expire])
async def test_a_stream_ends_when_its_token_does(
    open_server: OpenServer, end: Callable[[Server], Awaitable[None]]
) -> None:
    steps = Steps()

    async def tell(context: ToolContext) -> None:
        await context.report_progress(1)
        await steps.wait()

    async with open_server(features=offering(tell)) as server, calling(server, "tell") as connection:
        await connection.read_until(b"\n\n")
        await end(server)
        rest = await connection.read_until(b"0\r\n\r\n")
        assert steps.cancelled.is_set()
        (last,) = messages_of(rest)
        assert (last["id"], last["error"]["code"]) == (1, 401)
        assert last["error"]["data"]["error"] == "invalid_token"


@requirement("I190")
async def test_a_stream_of_another_grant_goes_on(open_server: OpenServer) -> None:
    steps = Steps()

    async def tell(context: ToolContext) -> None:
        await context.report_progress(1)
        await steps.wait()

    async with open_server(features=offering(tell)) as server, calling(server, "tell") as connection:
        await connection.read_until(b"\n\n")
        await server.redis.publish(CHANNEL, "deny grant-2 3600")

        async def heard() -> bool:
            return (await server.client(gid="grant-2").modern("tools/list")).status_code == 401

        await until(heard)
        steps.go_on.set()
        (last,) = messages_of(await connection.read_until(b"0\r\n\r\n"))
        assert last["result"]["content"][0]["text"] == "done"
