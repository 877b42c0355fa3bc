"""The MCP server in process."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from mcp_server.app import create_app
from mcp_server.protocol.features import Features
from mcp_server.settings import McpSettings
from shared.clock import Clock
from tests.support.resource_server import (
    ENCRYPTION_KEY,
    ISSUER,
    RESOURCE,
    VAL_TOWN,
    OpenServer,
    Outside,
    Server,
    until_ready,
)
from tests.support.tokens import SigningKey, TokenMint


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
    """Return a way to run a server with other settings or features; `ready=False` does not wait for it."""

    @asynccontextmanager
    async def opened(
        *, ready: bool = True, features: Features | None = None, **changes: Any
    ) -> AsyncIterator[Server]:
        given = {
            "oauth_issuer_url": ISSUER,
            "mcp_resource_url": RESOURCE,
            "val_town_api_url": VAL_TOWN,
            "oauth_encryption_key": base64.b64encode(ENCRYPTION_KEY).decode(),
            "mcp_host": "0.0.0.0",  # noqa: S104 - nothing listens; it only must not be this computer
        }
        settings = McpSettings.model_validate({**given, **changes})
        mint = TokenMint(signing_key, settings.oauth_issuer_url, settings.mcp_resource_url)
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


@pytest.fixture
async def server(open_server: OpenServer) -> AsyncIterator[Server]:
    """Return a running server with default settings."""
    async with open_server() as opened:
        yield opened


@pytest.fixture(scope="session")
def second_key() -> SigningKey:
    """Return a key the issuer does not have at first."""
    return SigningKey.generate("key-2")
