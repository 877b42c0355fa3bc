"""The authorization server in process, with a Val Town that tests can break, and people who use both."""

import base64
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from redis.asyncio import Redis

from auth_server.app import create_app
from auth_server.settings import AuthSettings
from dev.flow import Browser, OAuthClient, Pkce, claims_of
from shared.clock import Clock
from shared.revocation import deny_key
from tests.auth_server.internet import Internet

ISSUER = "https://auth.test"
RESOURCE = "https://mcp.test/mcp"
OTHER_RESOURCE = "https://other.test/mcp"
VAL_TOWN = "https://val-town.test"
ENCRYPTION_KEY = base64.b64encode(bytes(range(32))).decode()
REDIRECT_URI = "https://client.example.com/callback"
ADA = "vtwn_sandbox_ada"
GRACE = "vtwn_sandbox_grace"

_numbers = itertools.count(1)

Answer = Callable[[httpx.Request], httpx.Response]


def new_pem(bits: int = 2048) -> str:
    """Return a new RSA private key as PKCS#8 PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def settings_of(**changes: Any) -> AuthSettings:
    """Return settings as the environment would give them, changed as asked."""
    given = {
        "oauth_issuer_url": ISSUER,
        "mcp_resource_url": RESOURCE,
        "oauth_resources": OTHER_RESOURCE,
        "val_town_api_url": VAL_TOWN,
        "oauth_encryption_key": ENCRYPTION_KEY,
        **changes,
    }
    return AuthSettings(**given)


class ValTown(httpx.AsyncBaseTransport):
    """The sandbox behind a switch: `fault` answers in its place. Notes what it is asked."""

    def __init__(self, sandbox: FastAPI) -> None:
        """Take the sandbox."""
        self._sandbox = httpx.ASGITransport(sandbox)
        self.fault: Answer | None = None
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one call of the server."""
        self.requests.append(request)
        if self.fault is not None:
            made = self.fault(request)
            # As from a network: the body is read from a stream, not there already.
            stream = httpx.ByteStream(made.content)
            return httpx.Response(made.status_code, headers=made.headers, stream=stream)
        return await self._sandbox.handle_async_request(request)


@dataclass(frozen=True)
class AuthServer:
    """A running authorization server and what surrounds it."""

    app: FastAPI
    settings: AuthSettings
    redis: Redis
    clock: Clock
    val_town: ValTown
    internet: Internet

    def visitor(self, *, raise_app_exceptions: bool = True) -> httpx.AsyncClient:
        """Return an HTTP client with a cookie jar of its own."""
        parts = urlsplit(self.settings.oauth_issuer_url)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=raise_app_exceptions)
        return httpx.AsyncClient(transport=transport, base_url=f"{parts.scheme}://{parts.netloc}")

    def browser(self, api_token: str = ADA) -> Browser:
        """Return a browser of its own, with the token that its person will paste."""
        return Browser(self.visitor(), api_token)

    def client(self, redirect_uri: str = REDIRECT_URI) -> OAuthClient:
        """Return a client that is not registered yet."""
        return OAuthClient(self.visitor(), self.settings.oauth_issuer_url, redirect_uri)

    async def registered(self, redirect_uri: str = REDIRECT_URI, **metadata: Any) -> OAuthClient:
        """Return a registered client; confidential unless the metadata say otherwise."""
        client = self.client(redirect_uri)
        await client.register(**metadata)
        return client

    async def public(self, redirect_uri: str = REDIRECT_URI) -> OAuthClient:
        """Return a registered client without a secret, of its own: identical ones would be one client."""
        name = f"Test Client {next(_numbers)}"
        return await self.registered(redirect_uri, token_endpoint_auth_method="none", client_name=name)

    async def code(
        self, client: OAuthClient, browser: Browser | None = None, **parameters: str | None
    ) -> tuple[str, Pkce]:
        """Return an approved authorization code with its PKCE pair."""
        pkce = Pkce.new()
        callback = await (browser or self.browser()).approve(client.authorize_url(pkce, **parameters))
        return callback.parameters["code"], pkce

    async def is_denied(self, tokens: Mapping[str, Any]) -> bool:
        """Return whether resource servers were told to refuse an access token."""
        claims = claims_of(tokens["access_token"])
        keys = (deny_key(claims["gid"]), deny_key(claims["gid"], claims["jti"]))
        return bool(await self.redis.exists(*keys))

    async def works(self) -> bool:
        """Return whether a whole flow of a new client still goes through."""
        tokens = await (await self.registered()).tokens(self.browser())
        return "access_token" in tokens and "refresh_token" in tokens


@asynccontextmanager
async def running(
    settings: AuthSettings,
    redis: Redis,
    clock: Clock,
    val_town: ValTown,
    internet: Internet | None = None,
    *,
    replica: str = "",
) -> AsyncIterator[AuthServer]:
    """Run a replica of the authorization server; it reaches nothing but what is given here."""
    internet = internet or Internet()
    async with httpx.AsyncClient(transport=val_town) as outbound:
        app = create_app(
            settings,
            redis=redis,
            http=outbound,
            clock=clock,
            fetcher=internet.fetcher(),
            replica=replica,
        )
        async with app.router.lifespan_context(app):
            yield AuthServer(app, settings, redis, clock, val_town, internet)
