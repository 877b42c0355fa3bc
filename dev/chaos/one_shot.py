"""A transport that opens a connection for each request, as an edge does, with as little work as that takes.

At hundreds of requests a second on a machine with two cores, a client that does more takes the time away from
the servers that it asks.
"""

import asyncio

import httpx


class OneShot(httpx.AsyncBaseTransport):
    """HTTP/1.1 without TLS, for answers that say how long they are."""

    def __init__(self, seconds: float) -> None:
        """Take how long a request may last, with its connection and the whole of its answer."""
        self._seconds = seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer, read to its end."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._exchange(request)
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time", request=request) from error

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        try:
            reader, writer = await asyncio.open_connection(request.url.host, request.url.port)
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        try:
            writer.write(_head(request) + await request.aread())
            status, headers = _read_head(await reader.readuntil(b"\r\n\r\n"))
            length = int(headers.get("content-length", 0))
            return httpx.Response(status, headers=headers, content=await reader.readexactly(length))
        except (OSError, EOFError) as error:
            raise httpx.ReadError(str(error), request=request) from error
        finally:
            writer.close()


def _head(request: httpx.Request) -> bytes:
    lines = [f"{request.method} {request.url.raw_path.decode('ascii')} HTTP/1.1".encode("ascii")]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _read_head(head: bytes) -> tuple[int, httpx.Headers]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return int(first.split(" ", 2)[1]), httpx.Headers([(name, value.strip()) for name, _, value in pairs])
