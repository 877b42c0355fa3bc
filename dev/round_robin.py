"""A proxy that sends each request to the next replica, whatever it is about, and keeps what it saw."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from dev.waiting import until

_METHODS: Final = ("GET", "POST", "PUT", "DELETE", "OPTIONS")
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "date", "server"})
_MAX_BODY: Final = 1 << 20
_ANSWER_SECONDS: Final = 60.0
_START_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the head of its answer. Holds credentials: never to be printed.

    Attributes:
        replica: which one answered, from 0.
        body: of the request.
    """

    replica: int
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int
    answer: Mapping[str, str]

    @property
    def form(self) -> dict[str, str]:
        """The request's body as a form."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace")))

    @property
    def bearer(self) -> str:
        """The access token that the request carried, or nothing."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""


@dataclass
class RoundRobin:
    """The proxy: its URL, and what went through it, in order of the answers."""

    url: str
    seen: list[Exchange] = field(default_factory=list)
    _turns: Iterator[tuple[int, str]] = field(default_factory=lambda: iter(()))

    def send_to(self, replicas: Sequence[str]) -> None:
        """Begin to pass requests on to these, in turn."""
        self._turns = itertools.cycle(enumerate(replicas))

    async def pass_on(self, http: httpx.AsyncClient, request: Request) -> Response:
        """Answer with what the next replica answers; a stream is passed on as it comes."""
        number, replica = next(self._turns)
        body = b"".join([part async for part in request.stream()])
        if len(body) > _MAX_BODY:
            return Response(status_code=413)
        target = f"{replica}{request.url.path}" + (f"?{request.url.query}" if request.url.query else "")
        sent = http.build_request(request.method, target, headers=request.headers.raw, content=body)
        try:
            answer = await http.send(sent, stream=True)
        except httpx.TransportError as error:
            return Response(type(error).__name__, status_code=502)
        self.seen.append(
            Exchange(
                number,
                request.method,
                request.url.path,
                dict(request.query_params),
                dict(request.headers),
                body,
                answer.status_code,
                dict(answer.headers),
            )
        )
        passed = StreamingResponse(_content(answer), answer.status_code)
        passed.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.decode().lower() not in _HOP_BY_HOP
        ]
        return passed


async def _content(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        # Either side may hang up in the middle of a stream.
        with suppress(httpx.TransportError):
            async for part in answer.aiter_raw():
                yield part
    finally:
        await answer.aclose()


@asynccontextmanager
async def round_robin() -> AsyncIterator[RoundRobin]:
    """Serve on a free port of this computer, for the length of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = RoundRobin(f"http://127.0.0.1:{listener.getsockname()[1]}")
    async with httpx.AsyncClient(timeout=_ANSWER_SECONDS, limits=httpx.Limits(max_connections=None)) as http:

        async def answer(request: Request) -> Response:
            try:
                return await proxy.pass_on(http, request)
            except ClientDisconnect:
                return Response(status_code=499)

        app = Starlette(routes=[Route("/{path:path}", answer, methods=list(_METHODS))])
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)

        async def started() -> bool:
            return server.started

        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(started, _START_SECONDS)
            yield proxy
        finally:
            server.should_exit = True
            await running
