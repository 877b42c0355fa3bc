"""The server's surroundings with a whole Val Town in them: the sandbox, in process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from mcp_server.sandbox.app import create_app
from tests.support.resource_server import VAL_TOWN, Outside

ADA_TOKEN = "vtwn_sandbox_ada"


@dataclass
class WithSandbox(Outside):
    """Passes calls to Val Town on to the sandbox, and notes them."""

    sandbox: httpx.ASGITransport | None = None

    def client(self) -> httpx.AsyncClient:
        """Return what the server reaches its surroundings with."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self.pass_on))

    async def pass_on(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of the server."""
        if request.url.host != "val-town.test" or self.sandbox is None:
            return self.answer(request)
        self.val_town_requests.append(request)
        return await self.sandbox.handle_async_request(request)


@asynccontextmanager
async def running_sandbox(folder: Path) -> AsyncIterator[httpx.ASGITransport]:
    """Run a fresh sandbox."""
    app = create_app(folder, base_url=VAL_TOWN)
    async with app.router.lifespan_context(app):
        yield httpx.ASGITransport(app)
