"""`python -m tests.conformance.server`: the suite's server, and a proxy that adds its access token.

Prints one line, the URL for the suite, when both listen; ends with its standard input. The server is the
product's own, from the socket to the dispatcher; only what it offers, and who issues its one token, are the
test's.
"""

import asyncio
import base64
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.types import ASGIApp

from dev.store import open_test_store
from mcp_server.app import OVERLOAD, create_app
from mcp_server.prompts.registry import PromptRegistry
from mcp_server.protocol.features import Features
from mcp_server.resources.registry import ResourceRegistry
from mcp_server.settings import McpSettings
from mcp_server.tools.registry import ToolRegistry
from shared.key_check import KeyCheck
from shared.logs import configure
from shared.redis.client import connect
from shared.web.overload import Overload
from shared.web.serve import configuration, listen
from tests.conformance import questions, readings, tools
from tests.support.listening import listening
from tests.support.resource_server import Outside
from tests.support.tokens import SigningKey, TokenMint

ISSUER = "https://auth.test"
READY_SECONDS = 20.0


def features() -> Features:
    """Return everything the suite calls."""
    offered = Features(ToolRegistry(), ResourceRegistry(), PromptRegistry())
    offered.tools.add(*tools.TOOLS, *questions.TOOLS)
    offered.resources.add(*readings.RESOURCES)
    offered.prompts.add(*readings.PROMPTS)
    return offered


class Proxy:
    """Passes bytes on and puts the token into each request's head (15 lines of what an OAuth client does)."""

    def __init__(self, port: int, token: str) -> None:
        """Take where the server listens, and the token."""
        self._port = port
        self._header = f"Authorization: Bearer {token}\r\n".encode()

    async def serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Serve one connection: one request after another, each with its answer."""
        server, there = await asyncio.open_connection("127.0.0.1", self._port)
        down = asyncio.create_task(self._copy(server, back))
        try:
            while True:
                head = await client.readuntil(b"\r\n\r\n")
                first, _, rest = head.partition(b"\r\n")
                there.write(first + b"\r\n" + self._header + rest)
                await self._body(head.lower(), client, there)
        except (asyncio.IncompleteReadError, ConnectionError):
            there.close()
        finally:
            down.cancel()
            back.close()

    @staticmethod
    async def _body(head: bytes, client: asyncio.StreamReader, there: asyncio.StreamWriter) -> None:
        chunked = b"\r\ntransfer-encoding: chunked" in head
        while chunked:
            line = await client.readuntil(b"\r\n")
            there.write(line + await client.readexactly(int(line, 16) + 2))
            chunked = int(line, 16) > 0
        _, found, length = head.partition(b"\r\ncontent-length:")
        if found:
            there.write(await client.readexactly(int(length.split(b"\r\n")[0])))
        await there.drain()

    @staticmethod
    async def _copy(server: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        while data := await server.read(65536):
            back.write(data)
            await back.drain()
        back.close()


@asynccontextmanager
async def serving(redis_url: str) -> AsyncIterator[str]:
    """Serve; gives the proxy's URL."""
    key = SigningKey.generate("conformance")
    listener = listen("127.0.0.1", 0, setting="MCP_PORT")
    port = int(listener.getsockname()[1])
    resource = f"http://127.0.0.1:{port}/mcp"
    settings = McpSettings.model_validate(
        {
            "oauth_issuer_url": ISSUER,
            "mcp_resource_url": resource,
            "oauth_encryption_key": base64.b64encode(bytes(range(32))).decode(),
        }
    )
    outside = Outside(keys=[key.public_jwk()])
    redis = connect(redis_url)
    # As an auth_server does: a store that nobody uses proves nothing about revocations.
    await KeyCheck(redis, settings.sealer).claim()
    async with httpx.AsyncClient(transport=httpx.MockTransport(outside.answer)) as http:
        app: ASGIApp = create_app(settings, redis=redis, http=http, features=features())
        server = uvicorn.Server(configuration(Overload(app, OVERLOAD), listener))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        token = TokenMint(key, ISSUER, resource).token(time.time())
        async with listening(Proxy(port, token).serve) as proxy:
            await _until_ready(port)
            yield f"http://127.0.0.1:{proxy}/mcp"
        server.should_exit = True
        await running
    await redis.aclose()


async def _until_ready(port: int) -> None:
    async with asyncio.timeout(READY_SECONDS), httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx.ConnectError:
                pass
            await asyncio.sleep(0.05)


async def main() -> None:
    """Serve until standard input ends."""
    configure("conformance", "", stream=sys.stderr)
    with open_test_store() as store:
        async with serving(store.url) as url:
            sys.stdout.write(f"{url}\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
