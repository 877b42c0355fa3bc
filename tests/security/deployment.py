"""Both services, people who use them, and everything that is answered to anybody."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import httpx
from redis.asyncio import Redis

from dev.flow import Browser, OAuthClient
from tests.auth_server.deployment import ADA, AuthServer
from tests.support.mcp_client import McpClient

MCP_ORIGIN = "https://mcp.test"
# Named like the real one, so that the sign-in page does not show the sandbox's tokens.
VAL_TOWN = "https://api.val.town.test"


class Deploy(Protocol):
    """Runs both services with these settings."""

    def __call__(self, **changes: object) -> AbstractAsyncContextManager["Deployment"]:
        """Return them, running within the context."""
        ...


class Network(httpx.AsyncBaseTransport):
    """Each host leads to its service. Notes everything that is answered to anybody."""

    def __init__(self, hosts: dict[str, httpx.AsyncBaseTransport]) -> None:
        """Take what is behind each host name."""
        self.hosts = hosts
        self.answers: list[httpx.Response] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        response = await self.hosts[request.url.host].handle_async_request(request)
        content = await response.aread()
        # Read twice: here, and as from a network by whoever asked.
        noted = httpx.Response(
            response.status_code, headers=response.headers, content=content, request=request
        )
        self.answers.append(noted)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=httpx.ByteStream(content)
        )


@dataclass(frozen=True)
class Deployment:
    """The two services and people who use them."""

    auth: AuthServer
    network: Network
    redis: Redis
    pem: str = field(repr=False)

    def visitor(self) -> httpx.AsyncClient:
        """Return an HTTP client with a cookie jar of its own."""
        return httpx.AsyncClient(transport=self.network, base_url=self.auth.settings.oauth_issuer_url)

    def browser(self, api_token: str = ADA) -> Browser:
        """Return a person's browser."""
        return Browser(self.visitor(), api_token)

    def client(self) -> OAuthClient:
        """Return a client that is not registered yet."""
        return OAuthClient(self.visitor(), self.auth.settings.oauth_issuer_url)

    def mcp(self, token: str | None = None) -> McpClient:
        """Return an MCP client."""
        return McpClient(self.visitor(), token, url=f"{MCP_ORIGIN}/mcp")
