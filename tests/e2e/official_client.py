"""The official Python client, with nothing of ours but a person who signs in by script."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from mcp_types import CallToolResult

from dev.deployment import Deployment
from dev.environment import SANDBOX_TOKENS
from dev.flow import Browser

REDIRECT_URI = "http://127.0.0.1:49152/callback"


@dataclass
class Person:
    """Signs in and approves; notes what they were asked for."""

    browser: Browser
    asked: list[str] = field(default_factory=list)
    answer: dict[str, str] = field(default_factory=dict)

    async def go_to(self, url: str) -> None:
        """Open the URL that the client shows."""
        self.asked.append(httpx.URL(url).params["scope"])
        callback = await self.browser.approve(url)
        self.answer = dict(callback.parameters)

    async def come_back(self) -> AuthorizationCodeResult:
        """Return what reached the client's redirect URI."""
        return AuthorizationCodeResult(
            code=self.answer["code"], state=self.answer["state"], iss=self.answer["iss"]
        )


@dataclass
class Memory:
    """Keeps what the client stores, for as long as the test lives."""

    tokens: list[OAuthToken] = field(default_factory=list)
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """Return the newest tokens."""
        return self.tokens[-1] if self.tokens else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep tokens."""
        self.tokens.append(tokens)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return the registration."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep the registration."""
        self.client = client_info


@dataclass
class Connected:
    """A connected client, and what surrounds it."""

    client: Client
    person: Person
    memory: Memory

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Return the structured content of a call that must succeed."""
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        assert not result.is_error, result.content
        assert isinstance(result.structured_content, dict)
        return result.structured_content


@asynccontextmanager
async def connect(
    deployment: Deployment, mode: str = "auto", memory: Memory | None = None, **options: Any
) -> AsyncIterator[Connected]:
    """Connect the official client; `options` are its own."""
    memory = memory or Memory()
    metadata = OAuthClientMetadata.model_validate(
        {"redirect_uris": [REDIRECT_URI], "client_name": "Official client"}
    )
    async with httpx.AsyncClient() as cookies:
        person = Person(Browser(cookies, SANDBOX_TOKENS[0]))
        provider = OAuthClientProvider(deployment.resource, metadata, memory, person.go_to, person.come_back)
        async with httpx2.AsyncClient(auth=provider, timeout=20.0) as http:
            transport = streamable_http_client(deployment.resource, http_client=http)
            async with Client(transport, mode=mode, **options) as client:
                yield Connected(client, person, memory)
