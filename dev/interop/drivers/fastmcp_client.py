"""FastMCP's client with its own OAuth: it opens a browser, and listens for the answer itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from common import Setup, drive
from fastmcp import Client
from fastmcp.client.auth import OAuth


class Session:
    """A connected client."""

    def __init__(self, client: Client[Any]) -> None:
        """Take the client."""
        self._client = client

    async def list(self) -> list[str]:
        """Return the names of all tools."""
        return [tool.name for tool in await self._client.list_tools()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """Return a tool's structured content."""
        return (await self._client.call_tool(tool, arguments)).structured_content


@asynccontextmanager
async def connect(setup: Setup) -> AsyncIterator[Session]:
    """Connect, and stay so for the length of the block."""
    oauth = OAuth(
        callback_port=urlsplit(setup.redirect_uri).port,
        client_id=setup.client_id,
        client_secret=setup.client_secret,
        client_metadata_url=setup.document_url,
    )
    async with Client(setup.url, auth=oauth, mode=setup.mode) as client:
        yield Session(client)


if __name__ == "__main__":
    drive(connect)
