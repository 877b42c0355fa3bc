"""Both services over one real store, on two origins, with the sandbox as Val Town."""

import io
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
import structlog
from fastapi import FastAPI
from redis.asyncio import Redis

from mcp_server.app import create_app as create_mcp
from mcp_server.sandbox.app import create_app as create_sandbox
from mcp_server.settings import McpSettings
from shared import logs
from shared.clock import Clock
from tests.auth_server.deployment import ValTown, new_pem, running, settings_of
from tests.security.deployment import MCP_ORIGIN, VAL_TOWN, Deploy, Deployment, Network
from tests.support.resource_server import until_ready


@pytest.fixture(scope="session")
def pem() -> str:
    """Return the signing key of the run."""
    return new_pem()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """Return a local Val Town."""
    app = create_sandbox(tmp_path_factory.mktemp("sandbox"))
    yield app
    app.state.store.close()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Return everything that either service logs, with DEBUG=*."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("both", "*", stream=stream)
    root.setLevel(logging.DEBUG)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


@pytest.fixture
async def deployment(deploy: Deploy) -> AsyncIterator[Deployment]:
    """Return both services, running."""
    async with deploy() as deployed:
        yield deployed


@pytest.fixture
def deploy(redis: Redis, clock: Clock, sandbox: FastAPI, pem: str) -> Deploy:
    """Return the way to run both services with other settings; keywords are settings."""
    return partial(_deployed, redis, clock, sandbox, pem)


@asynccontextmanager
async def _deployed(
    redis: Redis, clock: Clock, sandbox: FastAPI, pem: str, **changes: object
) -> AsyncIterator[Deployment]:
    settings = settings_of(oauth_jwt_private_key=pem, val_town_api_url=VAL_TOWN, **changes)
    val_town = ValTown(sandbox)
    async with running(settings, redis, clock, val_town) as auth:
        network = Network({"auth.test": httpx.ASGITransport(auth.app), "api.val.town.test": val_town})
        shared = {
            name: value for name, value in settings.model_dump().items() if name in McpSettings.model_fields
        }
        async with httpx.AsyncClient(transport=network) as outbound:
            app = create_mcp(McpSettings(**shared), redis=redis, http=outbound, clock=clock)
            async with app.router.lifespan_context(app):
                network.hosts["mcp.test"] = httpx.ASGITransport(app)
                async with httpx.AsyncClient(transport=network, base_url=MCP_ORIGIN) as http:
                    await until_ready(http)
                yield Deployment(auth, network, redis, pem)
