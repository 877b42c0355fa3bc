"""Ada and Grace, calling tools against a fresh sandbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from mcp_server.sandbox.app import create_app
from tests.support.resource_server import VAL_TOWN, Outside, Server
from tests.support.tool_caller import BASE_URL, Caller
from tests.support.tool_examples import prepare


@pytest.fixture
async def ada(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Caller]:
    """Return Ada (pro tier) calling tools against a fresh sandbox."""
    app = create_app(tmp_path, base_url=BASE_URL)
    async with app.router.lifespan_context(app):
        yield Caller(httpx.ASGITransport(app))


@pytest.fixture
def grace(ada: Caller) -> Caller:
    """Return Grace (free tier) against the same sandbox."""
    return ada.with_token("vtwn_sandbox_grace")


@asynccontextmanager
async def _example_sandbox(folder: Path) -> AsyncIterator[FastAPI]:
    moments = count(1_700_000_000)
    app = create_app(folder, clock=lambda: next(moments))
    async with app.router.lifespan_context(app):
        headers = {"Authorization": "Bearer vtwn_sandbox_ada"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=VAL_TOWN, headers=headers
        ) as ada:
            await prepare(ada)
        yield app


@pytest.fixture
async def sandbox(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """Return a sandbox that holds what the examples work on; every transaction has its own second."""
    async with _example_sandbox(tmp_path_factory.mktemp("sandbox")) as app:
        yield app


@pytest.fixture
async def second_sandbox(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[FastAPI]:
    """Return another one."""
    async with _example_sandbox(tmp_path_factory.mktemp("second")) as app:
        yield app


@pytest.fixture
def examples(sandbox: FastAPI) -> Caller:
    """Return Ada calling tools against the sandbox with the examples."""
    return Caller(httpx.ASGITransport(sandbox))


@pytest.fixture
async def linked(server: Server, outside: Outside, sandbox: FastAPI) -> Server:
    """Return a running server whose Val Town is the sandbox, with a grant of Ada's."""
    outside.val_town = httpx.ASGITransport(sandbox)
    await server.link("vtwn_sandbox_ada")
    return server
