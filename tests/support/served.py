"""The app behind a real socket, as it is served, and requests written byte by byte."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp

from shared.web.overload import Overload, OverloadPolicy
from shared.web.serve import configuration, listen
from tests.support.waiting import until

ANSWER_SECONDS = 15.0


def _refused(_path: str) -> Response:
    return Response(status_code=503)


@asynccontextmanager
async def serving(app: ASGIApp, *, most_connections: int | None = None) -> AsyncIterator[int]:
    """Serve an app whose lifespan runs already; gives the port."""
    listener = listen("127.0.0.1", 0, setting="none")
    # Those who ask share this process, so how long a request waits for its turn says nothing.
    policy = OverloadPolicy(_refused, wait_seconds=math.inf)
    config = configuration(Overload(app, policy), listener)
    config.limit_concurrency = most_connections or config.limit_concurrency
    config.lifespan = "off"
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))

    async def started() -> bool:
        return server.started

    await until(started)
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await running


def head(length: int | None = None, *, request_line: str = "POST /mcp HTTP/1.1", **headers: str) -> bytes:
    """Return a request's head for the server of these tests; `content_type="x"` becomes Content-Type."""
    lines = {"host": "mcp.test", "content-type": "application/json"}
    if length is not None:
        lines["content-length"] = str(length)
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    written = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{request_line}\r\n{written}\r\n".encode("latin-1")


def request(body: Mapping[str, Any] | bytes, **headers: str) -> bytes:
    """Return a whole request with a body of known length."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(len(content), **headers) + content


class Connection:
    """One connection to a port of this computer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take both directions."""
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def read_until(self, end: bytes) -> bytes:
        """Return what comes up to and with some bytes."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._reader.readuntil(end)

    async def read_exactly(self, length: int) -> bytes:
        """Return the next bytes."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._reader.readexactly(length)

    async def read_rest(self) -> bytes:
        """Return everything up to the end of the connection."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._reader.read()

    async def read_answer(self) -> tuple[int, bytes]:
        """Return status and body of an answer with a known length."""
        answer_head = await self.read_until(b"\r\n\r\n")
        length = answer_head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        return int(answer_head.split()[1]), await self.read_exactly(int(length or b"0"))

    def close(self) -> None:
        """Close it, as a client that goes away."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """Connect; closed at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection = Connection(reader, writer)
    try:
        yield connection
    finally:
        connection.close()
