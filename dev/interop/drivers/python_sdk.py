"""The official Python SDK: `mcp.Client` with its `OAuthClientProvider`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from common import Setup, ask_person, drive
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)


class Memory:
    """Keeps what the client stores; a client that is registered already is in it from the start."""

    def __init__(self, setup: Setup) -> None:
        """Take the setup."""
        self.tokens: OAuthToken | None = None
        self.client = None
        if setup.client_id:
            self.client = OAuthClientInformationFull.model_validate(
                {
                    "client_id": setup.client_id,
                    "client_secret": setup.client_secret,
                    "redirect_uris": [setup.redirect_uri],
                    "token_endpoint_auth_method": "client_secret_basic",
                }
            )

    async def get_tokens(self) -> OAuthToken | None:
        """Return the tokens."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep tokens."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return the registration."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep the registration."""
        self.client = client_info


class Session:
    """A connected client."""

    def __init__(self, client: Client) -> None:
        """Take the client."""
        self._client = client

    async def list(self) -> list[str]:
        """Return the names of the first page of tools, which is all of them."""
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """Return a tool's structured content."""
        result = await self._client.call_tool(tool, arguments)
        if result.is_error:
            raise RuntimeError(str(result.content))
        return result.structured_content


@asynccontextmanager
async def connect(setup: Setup) -> AsyncIterator[Session]:
    """Connect, and stay so for the length of the block."""
    came_back = []

    async def go_to(url: str) -> None:
        came_back.append(httpx2.URL(await ask_person(url)).params)

    async def come_back() -> AuthorizationCodeResult:
        answer = came_back.pop()
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])

    metadata = OAuthClientMetadata.model_validate(
        {"redirect_uris": [setup.redirect_uri], "client_name": "Python SDK"}
    )
    provider = OAuthClientProvider(
        setup.url, metadata, Memory(setup), go_to, come_back, client_metadata_url=setup.document_url
    )
    async with httpx2.AsyncClient(auth=provider, timeout=20.0) as http:
        transport = streamable_http_client(setup.url, http_client=http)
        async with Client(transport, mode=setup.mode) as client:
            yield Session(client)


if __name__ == "__main__":
    drive(connect)
