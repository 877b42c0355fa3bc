"""Resource servers that are not ours: they take the tokens that are for them, and no others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from dev.environment import SANDBOX_TOKENS
from dev.flow import Browser, OAuthClient
from dev.interop.driver import DriverError, drive
from dev.interop.matrix import CLIENTS
from dev.interop.packages import Packages
from dev.interop.stack import Stack
from dev.mcp_messages import MODERN, modern
from dev.processes import free_port, start, stop
from dev.waiting import until

SCOPE: Final = "user:read"
_CLIENT: Final = CLIENTS[0]
_START_SECONDS: Final = 30.0


class ForeignServerError(Exception):
    """A foreign resource server did not come up; the message has its log."""


@dataclass(frozen=True, slots=True)
class ForeignServer:
    """A resource server: what checks tokens in it, the PyPI package, the program, and where it is to be."""

    guard: str
    package: str
    driver: str
    url: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it: a client with a token for the server, and the HTTP status of tokens for others.

    Attributes:
        works: the Python SDK connected through the server's metadata and ours, and called a tool.
        reason: what it said otherwise.
        right_token: how the server answers a token that is for it.
        wrong_token: how it answers one that is for our mcp_server.
        its_token: how our mcp_server answers a token that is for the server.
    """

    server: ForeignServer
    works: bool
    reason: str
    right_token: int
    wrong_token: int
    its_token: int

    @property
    def as_it_must_be(self) -> bool:
        """Whether it takes its tokens and no others, and ours takes none of them."""
        refused = self.wrong_token == self.its_token == httpx.codes.UNAUTHORIZED
        return self.works and refused and self.right_token == httpx.codes.OK


def servers() -> tuple[ForeignServer, ...]:
    """Return the servers, each with a free port of this computer."""
    return (
        ForeignServer("FastMCP, `JWTVerifier`", "fastmcp-slim", "foreign_fastmcp.py", _address()),
        ForeignServer("Python SDK, `TokenVerifier` with PyJWT", "mcp", "foreign_sdk.py", _address()),
    )


async def judge(server: ForeignServer, stack: Stack, packages: Packages) -> Verdict:
    """Run a server, and try it with both kinds of tokens.

    Raises:
        ForeignServerError: it did not start.
        FlowError: a token was not to be had.
    """
    folder = stack.folder / server.driver
    folder.mkdir()
    async with _serving(server, stack, packages):
        reason = await _connect(server, folder, packages)
        ours, its = await _token(stack, None), await _token(stack, server.url)
        right, wrong = await _status(server.url, its), await _status(server.url, ours)
        return Verdict(server, not reason, reason, right, wrong, await _status(stack.url, its))


async def _connect(server: ForeignServer, folder: Path, packages: Packages) -> str:
    """Use it with a real client; return what went wrong."""
    setup = {"url": server.url, "era": MODERN, "redirect_uri": _CLIENT.redirect_uri(free_port())}
    async with drive(packages.command(_CLIENT.driver), folder, SANDBOX_TOKENS[0], setup) as driver:
        try:
            for what, details in (("connect", {}), ("call", {"tool": "greet", "arguments": {}})):
                answer = await driver.do(what, **details)
                if not answer["ok"]:
                    return str(answer["error"])
        except DriverError as error:
            return str(error)
    return ""


async def _token(stack: Stack, resource: str | None) -> str:
    async with httpx.AsyncClient() as http:
        client = OAuthClient(http, stack.auth.url)
        await client.register(token_endpoint_auth_method="none")
        browser = Browser(http, SANDBOX_TOKENS[0])
        tokens = await client.tokens(browser, resource=resource, scope=SCOPE)
        return str(tokens["access_token"])


async def _status(url: str, token: str) -> int:
    async with httpx.AsyncClient(headers={"Accept": "application/json, text/event-stream"}) as http:
        return (await modern("tools/list").send(http, url, token)).status_code


@asynccontextmanager
async def _serving(server: ForeignServer, stack: Stack, packages: Packages) -> AsyncIterator[None]:
    command = [*packages.command(server.driver), stack.auth.url, server.url, SCOPE]
    child = start(server.driver, command, stack.folder / f"{server.driver}.log", folder=stack.folder)

    async def answers() -> bool:
        return child.has_ended() or await _answers(server.url)

    try:
        # Not blocking: it reads metadata from the proxy, which runs here.
        await until(answers, _START_SECONDS)
        if child.has_ended():
            raise ForeignServerError(f"{server.driver} did not start:\n{child.last_lines()}")
        yield
    finally:
        stop([child])


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient() as http:
        try:
            await http.get(url)
        except httpx.TransportError:
            return False
    return True


def _address() -> str:
    return f"http://127.0.0.1:{free_port()}/mcp"
