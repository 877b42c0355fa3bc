"""The authorization server in process over a real store, with the sandbox as Val Town.

One server runs for all tests of a file, because starting one takes a while (its key is checked); every
test finds the clock right and the store empty, but for the signing key. What needs other settings opens a
server of its own over the same store.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from auth_server.settings import AuthSettings
from dev.flow import Browser, OAuthClient
from mcp_server.sandbox.app import create_app as create_sandbox
from shared.clock import Clock
from shared.redis.client import connect
from tests.auth_server.deployment import AuthServer, ValTown, new_pem, running, settings_of
from tests.auth_server.internet import Internet

OpenServer = Callable[..., AbstractAsyncContextManager[AuthServer]]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Run the tests of a file in one event loop, so that they can share a server."""
    return "asyncio"


@pytest.fixture(scope="session")
def pem() -> str:
    """Return the signing key of the run: making one takes long."""
    return new_pem()


@pytest.fixture(scope="session")
def settings(pem: str) -> AuthSettings:
    """Return the settings of the server under test."""
    return settings_of(oauth_jwt_private_key=pem)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """Return a local Val Town; the authorization server only reads accounts there."""
    app = create_sandbox(tmp_path_factory.mktemp("sandbox"))
    yield app
    app.state.store.close()


@pytest.fixture(scope="module")
def in_use() -> set[str]:
    """Return the names of what the running server of this file needs: without them it would stop."""
    return set()


@pytest.fixture(scope="module")
async def shared_server(
    settings: AuthSettings, sandbox: FastAPI, redis_url: str, in_use: set[str], anyio_backend: str
) -> AsyncIterator[AuthServer]:
    """Return the server of this file; tests take `server`."""
    async with connect(redis_url) as client:
        await client.flushdb()
        async with running(settings, client, Clock(), ValTown(sandbox)) as opened:
            in_use.update([key async for key in client.scan_iter()])
            yield opened


@pytest.fixture
async def redis(redis_url: str, in_use: set[str], anyio_backend: str) -> AsyncIterator[Redis]:
    """Return a client of the store, emptied but for what the server of this file needs."""
    async with connect(redis_url) as client:
        if old := [key async for key in client.scan_iter(count=1000) if key not in in_use]:
            # One by one: on a cluster a command must not span hash slots.
            async with client.pipeline(transaction=False) as pipeline:
                for key in old:
                    pipeline.delete(key)
                await pipeline.execute()
        yield client


@pytest.fixture
async def server(shared_server: AuthServer, redis: Redis) -> AsyncIterator[AuthServer]:
    """Return the running server, its clock right and Val Town in order."""
    yield shared_server
    shared_server.clock.offset = 0.0
    shared_server.val_town.fault = None
    shared_server.val_town.requests.clear()
    shared_server.internet.clear()


@pytest.fixture
def val_town(sandbox: FastAPI) -> ValTown:
    """Return Val Town as a server with settings of its own sees it."""
    return ValTown(sandbox)


@pytest.fixture
def internet() -> Internet:
    """Return the internet as servers with settings of their own see it."""
    return Internet()


@pytest.fixture
def open_server(redis: Redis, clock: Clock, val_town: ValTown, internet: Internet, pem: str) -> OpenServer:
    """Return a way to run a server with other settings, or several replicas over one store."""

    def opened(*, replica: str = "", **changes: Any) -> AbstractAsyncContextManager[AuthServer]:
        settings = settings_of(**{"oauth_jwt_private_key": pem, **changes})
        return running(settings, redis, clock, val_town, internet, replica=replica)

    return opened


@pytest.fixture
def app(server: AuthServer) -> FastAPI:
    """Return the application of the running server."""
    return server.app


@pytest.fixture
def http(server: AuthServer) -> httpx.AsyncClient:
    """Return an HTTP client."""
    return server.visitor()


@pytest.fixture
def browser(server: AuthServer) -> Browser:
    """Return Ada's browser."""
    return server.browser()


@pytest.fixture
async def client(server: AuthServer) -> OAuthClient:
    """Return a confidential client."""
    return await server.registered()


@pytest.fixture
async def public_client(server: AuthServer) -> OAuthClient:
    """Return a client without a secret."""
    return await server.public()
