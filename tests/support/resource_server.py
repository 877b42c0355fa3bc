"""A running MCP server with all that it calls: an issuer and a Val Town that tests look into."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio.lowlevel
import httpx
from redis.asyncio import Redis
from starlette.types import ASGIApp

from mcp_server.app import create_app
from mcp_server.protocol.features import Features
from mcp_server.settings import McpSettings
from shared.clock import Clock
from shared.credentials import CredentialOwner, credential_key, seal_credential
from shared.key_check import KeyCheck
from shared.sealing import Sealer
from tests.support.mcp_client import McpClient
from tests.support.tokens import SigningKey, TokenMint
from tests.support.waiting import until

ISSUER = "https://auth.test"
RESOURCE = "https://mcp.test/mcp"
METADATA_URL = "https://mcp.test/.well-known/oauth-protected-resource/mcp"
VAL_TOWN = "https://val-town.test"
ENCRYPTION_KEY = bytes(range(32))
VAL_TOWN_TOKEN = "vtwn_test_ada"

OpenServer = Callable[..., AbstractAsyncContextManager["Server"]]


def streamed(status: int, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return a response whose body is still to be read, as a connection's is."""

    async def content() -> AsyncIterator[bytes]:
        yield body

    return httpx.Response(status, headers=headers, content=content())


@dataclass
class Outside:
    """Everything the server calls: the issuer, maybe down, and Val Town, which notes what it is sent."""

    keys: list[dict[str, Any]]
    issuer_down: bool = False
    key_set: Callable[[], httpx.Response] | None = None
    fetched: list[str] = field(default_factory=list)
    val_town_requests: list[httpx.Request] = field(default_factory=list)
    val_town: httpx.AsyncBaseTransport | None = None
    """What answers as Val Town; without one everything is 401 there."""

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of the server, as Val Town by what stands in for it."""
        if self.val_town is None or request.url.host != "val-town.test":
            return self.answer(request)
        self.val_town_requests.append(request)
        return await self.val_town.handle_async_request(request)

    def client(self) -> httpx.AsyncClient:
        """Return what the server reaches its surroundings with."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self.handle))

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of the server."""
        if request.url.host == "val-town.test":
            self.val_town_requests.append(request)
            return streamed(401, b'{"message": "Unauthorized"}')
        self.fetched.append(str(request.url))
        if self.issuer_down:
            raise httpx.ConnectError("down", request=request)
        if request.url.path == "/.well-known/jwks.json":
            return self.key_set() if self.key_set else streamed(200, json.dumps({"keys": self.keys}).encode())
        if request.url.path == "/.well-known/oauth-authorization-server":
            return streamed(200, b'{"issuer": "https://auth.test",  "x": 1}')
        return streamed(404, b"")


@dataclass(frozen=True)
class Server:
    """A running server: an HTTP client of it, what it calls, and tokens for it."""

    http: httpx.AsyncClient
    outside: Outside
    mint: TokenMint
    clock: Clock
    redis: Redis
    app: ASGIApp

    def token(self, **changes: Any) -> str:
        """Return an access token for this server, changed as `TokenMint.token` does."""
        return self.mint.token(self.clock.now(), **changes)

    def client(self, **changes: Any) -> McpClient:
        """Return an MCP client with an access token."""
        return McpClient(self.http, self.token(**changes))

    async def present(self, token: str) -> httpx.Response:
        """Return the answer to a good request with a token."""
        return await McpClient(self.http, token).modern("tools/list")

    async def link(self, token: str | None = VAL_TOWN_TOKEN, *, grant_id: str = "grant-1") -> None:
        """Store a grant's Val Town credential as the authorization server does; None: the server's own."""
        owner = CredentialOwner(grant_id=grant_id, subject="user-ada", client_id="client-1")
        sealed = seal_credential(Sealer(ENCRYPTION_KEY), owner, token)
        await self.redis.set(credential_key(grant_id), sealed)


def server_opener(redis: Redis, clock: Clock, key: SigningKey, outside: Outside) -> OpenServer:
    """Return a way to run a server with other settings or features; `ready=False` does not wait for it.

    With `claimed=False` the store is one that no auth_server has begun to use.
    """

    @asynccontextmanager
    async def opened(
        *, ready: bool = True, claimed: bool = True, features: Features | None = None, **changes: Any
    ) -> AsyncIterator[Server]:
        given = {
            "oauth_issuer_url": ISSUER,
            "mcp_resource_url": RESOURCE,
            "val_town_api_url": VAL_TOWN,
            "oauth_encryption_key": base64.b64encode(ENCRYPTION_KEY).decode(),
            "mcp_host": "0.0.0.0",  # noqa: S104 - nothing listens; it only must not be this computer
        }
        settings = McpSettings.model_validate({**given, **changes})
        mint = TokenMint(key, settings.oauth_issuer_url, settings.mcp_resource_url)
        # As an auth_server does: a store that nobody uses proves nothing about revocations.
        check = KeyCheck(redis, Sealer(ENCRYPTION_KEY))
        if claimed and not await check.is_in_use():
            await check.claim()
        async with outside.client() as http:
            app = create_app(settings, redis=redis, http=http, clock=clock, features=features)
            transport = httpx.ASGITransport(app)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url=settings.resource_origin) as client,
            ):
                if ready:
                    await until_ready(client)
                yield Server(client, outside, mint, clock, redis, app)

    return opened


async def until_ready(client: httpx.AsyncClient) -> None:
    """Wait until a server has its keys and a fresh list of revocations."""

    async def ready() -> bool:
        return (await client.get("/readyz")).status_code == 200

    await until(ready)


def assert_invalid_token(response: httpx.Response) -> None:
    """Check the refusal of a token (RFC 6750 section 3.1, RFC 9728 section 5.1)."""
    assert response.status_code == 401
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'error="invalid_token"' in challenge
    assert f'resource_metadata="{METADATA_URL}"' in challenge


async def first_refusal(server: Server, token: str) -> httpx.Response:
    """Return the first answer that is no success, of a token about to be refused."""
    async with asyncio.timeout(2):
        while (response := await server.present(token)).status_code == 200:
            # In process nothing waits for a socket: let what runs beside the requests have its turn.
            await anyio.lowlevel.checkpoint()
    return response
