"""Ada and Grace, calling tools against a fresh sandbox."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from mcp_server.sandbox.app import create_app
from tests.support.tool_caller import BASE_URL, Caller


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
