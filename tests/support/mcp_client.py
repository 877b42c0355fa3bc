"""A driver for `/mcp` that speaks both eras and hides nothing: every method returns the HTTP response."""

from collections.abc import Mapping
from typing import Any

import httpx

MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"


def modern_meta(version: str = MODERN) -> dict[str, Any]:
    """Return the `_meta` that every request of 2026-07-28 must have."""
    return {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    }


class McpClient:
    """Sends JSON-RPC to one MCP endpoint with one credential."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        token: str | None = None,
        *,
        url: str = "/mcp",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take the HTTP client, the access token, the endpoint and headers for every request."""
        self.http = http
        self.url = url
        self.headers = dict(headers or {})
        if token is not None:
            self.headers["Authorization"] = f"Bearer {token}"

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        """Send any JSON value, or bytes as they are; `mcp_name="x"` becomes the header Mcp-Name."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        all_headers = httpx.Headers({"Content-Type": "application/json", **self.headers})
        all_headers.update(named)
        if isinstance(body, bytes):
            return await self.http.post(self.url, content=body, headers=all_headers)
        return await self.http.post(self.url, json=body, headers=all_headers)

    async def modern(
        self, method: str, params: Mapping[str, Any] | None = None, **headers: str
    ) -> httpx.Response:
        """Send a well-formed request of 2026-07-28; keywords override headers."""
        body_params = {"_meta": modern_meta(), **(params or {})}
        own = {"mcp_protocol_version": MODERN, "mcp_method": method}
        name = body_params.get("name") or body_params.get("uri")
        if isinstance(name, str):
            own["mcp_name"] = name
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": body_params}
        return await self.post(body, **{**own, **headers})

    async def handshake(
        self, method: str, params: Mapping[str, Any] | None = None, *, version: str = HANDSHAKE
    ) -> httpx.Response:
        """Send a request of a handshake revision, without `initialize` before it."""
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method}
        if params is not None:
            body["params"] = params
        return await self.post(body, mcp_protocol_version=version)

    async def list_tools(self) -> list[str]:
        """Return the names of the tools offered, in order."""
        response = await self.modern("tools/list")
        response.raise_for_status()
        return [tool["name"] for tool in response.json()["result"]["tools"]]

    async def call(self, name: str, **arguments: Any) -> httpx.Response:
        """Call a tool in the newest revision."""
        return await self.modern("tools/call", {"name": name, "arguments": arguments})
