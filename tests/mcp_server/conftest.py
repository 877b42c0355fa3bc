"""The MCP server in process, with an issuer and a Val Town that tests look into."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from mcp_server.app import create_app
from mcp_server.settings import McpSettings
from shared.clock import Clock
from shared.credentials import CredentialOwner, credential_key, seal_credential
from shared.revocation import CHANNEL
from shared.sealing import Sealer
from tests.support.mcp_client import McpClient
from tests.support.tokens import SigningKey, TokenMint

ISSUER = "https://auth.test"
RESOURCE = "https://mcp.test/mcp"
VAL_TOWN = "https://val-town.test"
ENCRYPTION_KEY = bytes(range(32))
VAL_TOWN_TOKEN = "vtwn_test_ada"

OpenServer = Callable[..., AbstractAsyncContextManager["Server"]]


@dataclass
class Outside:
    """Everything the server calls: the issuer, which may be down, and Val Town, which notes what it is sent."""

    keys: list[dict[str, Any]]
    issuer_down: bool = False
    key_set: Callable[[], httpx.Response] | None = None
    fetched: list[str] = field(default_factory=list)
    val_town_requests: list[httpx.Request] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of the server."""
        if request.url.host == "val-town.test":
            self.val_town_requests.append(request)
            return httpx.Response(401, json={"message": "Unauthorized"})
        self.fetched.append(str(request.url))
        if self.issuer_down:
            raise httpx.ConnectError("down", request=request)
        if request.url.path == "/.well-known/jwks.json":
            return self.key_set() if self.key_set else httpx.Response(200, json={"keys": self.keys})
        if request.url.path == "/.well-known/oauth-authorization-server":
            return httpx.Response(200, content=b'{"issuer": "https://auth.test",  "x": 1}')
        return httpx.Response(404)


@dataclass(frozen=True)
class Server:
    """A running server: an HTTP client of it, what it calls, and tokens for it."""

    http: httpx.AsyncClient
    outside: Outside
    mint: TokenMint
    clock: Clock
    redis: Redis

    def token(self, **changes: Any) -> str:
        """Return an access token for this server, changed as `TokenMint.token` does."""
        return self.mint.token(self.clock.now(), **changes)

    def client(self, **changes: Any) -> McpClient:
        """Return an MCP client with an access token."""
        return McpClient(self.http, self.token(**changes))

    async def link(self, token: str = VAL_TOWN_TOKEN, *, grant_id: str = "grant-1") -> None:
        """Store the Val Town credential of a grant, as the authorization server does at consent."""
        owner = CredentialOwner(grant_id=grant_id, subject="user-ada", client_id="client-1")
        sealed = seal_credential(Sealer(ENCRYPTION_KEY), owner, token)
        await self.redis.set(credential_key(grant_id), sealed)


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    """Return the issuer's key."""
    return SigningKey.generate("key-1")


@pytest.fixture
def outside(signing_key: SigningKey) -> Outside:
    """Return the server's surroundings, all well."""
    return Outside(keys=[signing_key.public_jwk()])


@pytest.fixture
def open_server(redis: Redis, clock: Clock, signing_key: SigningKey, outside: Outside) -> OpenServer:
    """Return a way to run a server with other settings; `ready=False` does not wait until it is ready."""

    @asynccontextmanager
    async def opened(*, ready: bool = True, **changes: Any) -> AsyncIterator[Server]:
        given = {
            "oauth_issuer_url": ISSUER,
            "mcp_resource_url": RESOURCE,
            "val_town_api_url": VAL_TOWN,
            "oauth_encryption_key": base64.b64encode(ENCRYPTION_KEY).decode(),
            "mcp_host": "0.0.0.0",  # noqa: S104 - nothing listens; it only must not be this computer
        }
        settings = McpSettings.model_validate({**given, **changes})
        mint = TokenMint(signing_key, settings.oauth_issuer_url, settings.mcp_resource_url)
        async with httpx.AsyncClient(transport=httpx.MockTransport(outside.answer)) as http:
            app = create_app(settings, redis=redis, http=http, clock=clock)
            transport = httpx.ASGITransport(app)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url=settings.resource_origin) as client,
            ):
                if ready:
                    await _until_ready(client, redis)
                yield Server(client, outside, mint, clock, redis)

    return opened


@pytest.fixture
async def server(open_server: OpenServer) -> AsyncIterator[Server]:
    """Return a running server with default settings."""
    async with open_server() as opened:
        yield opened


async def _until_ready(client: httpx.AsyncClient, redis: Redis) -> None:
    # A beat of the test's own, so that nobody has to wait for the next regular one.
    async with asyncio.timeout(5):
        while (await client.get("/readyz")).status_code != 200:
            await redis.publish(CHANNEL, "beat 1")
            await asyncio.sleep(0.002)
