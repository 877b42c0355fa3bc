"""Requests to `/mcp`, as clients of each era send them (MCP 2026-07-28 and 2025-11-25 "Transports")."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

MODERN: Final = "2026-07-28"
HANDSHAKE: Final = "2025-11-25"

_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
_META: Final = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "val-town-mcp-server-dev", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True, slots=True)
class McpRequest:
    """One POST: headers beside Content-Type and the credential, and the JSON-RPC message."""

    headers: Mapping[str, str]
    body: Mapping[str, Any] = field(default_factory=dict)

    def with_headers(self, **changes: str | None) -> "McpRequest":
        """Return it with headers changed, or left out when None; `Mcp_Name` becomes Mcp-Name."""
        named = {name.replace("_", "-"): value for name, value in changes.items()}
        merged = {**self.headers, **named}
        return replace(self, headers={name: value for name, value in merged.items() if value is not None})

    async def send(self, http: httpx.AsyncClient, url: str, token: str | None = None) -> httpx.Response:
        """Send it, with an access token if one is given."""
        credential = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await http.post(url, json=self.body, headers={**self.headers, **credential})


def modern(method: str, params: Mapping[str, Any] | None = None) -> McpRequest:
    """Return a request of 2026-07-28: it stands alone, and its headers repeat what a proxy routes by."""
    given = {**(params or {}), "_meta": _META}
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    if isinstance(name := given.get("name"), str):
        headers["Mcp-Name"] = name
    return McpRequest(headers, {"jsonrpc": "2.0", "id": 1, "method": method, "params": given})


def handshake(
    method: str, params: Mapping[str, Any] | None = None, *, version: str | None = HANDSHAKE
) -> McpRequest:
    """Return a request of an earlier revision; without a version, as curl in the guide sends it."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method}
    headers = {} if version is None else {"MCP-Protocol-Version": version}
    return McpRequest(headers, body if params is None else {**body, "params": params})


def call(tool: str, **arguments: Any) -> McpRequest:
    """Return a tool call of 2026-07-28."""
    return modern("tools/call", {"name": tool, "arguments": arguments})


def challenge_of(response: httpx.Response) -> dict[str, str]:
    """Return the parameters of a Bearer challenge (RFC 6750 section 3), empty when there is none."""
    scheme, _, rest = response.headers.get("www-authenticate", "").partition(" ")
    if scheme.lower() != "bearer":
        return {}
    return dict(_PARAMETER.findall(rest))
