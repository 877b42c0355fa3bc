"""The MCP server in process."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from shared.clock import Clock
from tests.support.resource_server import (
    OpenServer,
    Outside,
    Server,
    server_opener,
)
from tests.support.tokens import SigningKey


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
    return server_opener(redis, clock, signing_key, outside)


@pytest.fixture
async def server(open_server: OpenServer) -> AsyncIterator[Server]:
    """Return a running server with default settings."""
    async with open_server() as opened:
        yield opened


@pytest.fixture(scope="session")
def second_key() -> SigningKey:
    """Return a key the issuer does not have at first."""
    return SigningKey.generate("key-2")
