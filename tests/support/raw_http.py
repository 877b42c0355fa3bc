"""A small app on a real socket, for tests that send bytes rather than requests."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from shared.web.cors import CorsRules
from shared.web.edge import Edge


def hello() -> ASGIApp:
    """Return a small app with what every service has around it."""
    bug = PlainTextResponse("bug", 500)
    greeting = PlainTextResponse("hello")
    return Edge(greeting, namespace="test:http", security=(), cors=CorsRules({}), on_bug=lambda _scope: bug)


@asynccontextmanager
async def served(protocol: type[asyncio.Protocol], app: ASGIApp | None = None) -> AsyncIterator[int]:
    """Serve an app, `hello()` without one, on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app or hello(), http=protocol, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listener.close()


async def answer_to(port: int, *parts: bytes) -> bytes:
    """Send bytes and return what comes until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b"reset"
    finally:
        writer.close()


def request(target: bytes = b"/", *headers: bytes) -> bytes:
    """Return the bytes of a GET that closes its connection."""
    lines = [b"GET " + target + b" HTTP/1.1", b"Host: 127.0.0.1", b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"
