"""How each client is connected: what to click, paste or run, with this server's addresses in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mcp_server.settings import McpSettings
from shared.settings import is_loopback

NAME: Final = "val-town"
_SCOPES: Final = ("read", "write", "vals:read", "vals:write")
_LEGACY_HEADER: Final = ("X-Val-Town-Token", "YOUR_API_TOKEN")


@dataclass(frozen=True, slots=True)
class ClientSetup:
    """One client: its key in the JSON description, its name, what a person does, and what they copy."""

    key: str
    title: str
    steps: str
    copy: str


def client_setups(settings: McpSettings) -> tuple[ClientSetup, ...]:
    """Return the clients that can connect; with OAuth off, only those that can send a header."""
    url = settings.mcp_resource_url
    if not settings.oauth_enabled:
        return tuple(_programs(url, {_LEGACY_HEADER[0]: _LEGACY_HEADER[1]}))
    reach = (
        " It only reaches servers with a public https address." if is_loopback(settings.resource_host) else ""
    )
    return (
        ClientSetup(
            "claude",
            "Claude",
            f"Settings → Connectors → Add custom connector; paste this as the URL, then Connect.{reach}",
            url,
        ),
        ClientSetup(
            "chatgpt",
            "ChatGPT",
            "Settings → Apps & Connectors → Advanced settings: switch on developer mode. Then Create, with "
            f"this as the MCP server URL and OAuth as authentication.{reach}",
            url,
        ),
        *_programs(url, {}),
        ClientSetup(
            "mcp_servers",
            "Clients that want every URL spelled out",
            "In the client's configuration file:",
            json.dumps(full_configuration(url, settings.oauth_issuer_url), indent=2),
        ),
    )


def full_configuration(resource: str, issuer: str) -> dict[str, object]:
    """Return a client configuration with each OAuth URL in it, for clients that do not discover them."""
    oauth = {
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "client_registration_endpoint": f"{issuer}/oauth/register",
        "scopes": list(_SCOPES),
    }
    transport = {"type": "http", "url": resource, "oauth": oauth}
    return {"mcpServers": {"valtown-oauth": {"transport": transport}}}


def _programs(url: str, headers: Mapping[str, str]) -> list[ClientSetup]:
    flags = "".join(f' --header "{name}: {value}"' for name, value in headers.items())
    sent = {"headers": dict(headers)} if headers else {}
    server = {"type": "http", "url": url, **sent}
    credential = ": ".join(_LEGACY_HEADER) if headers else "Authorization: Bearer ACCESS_TOKEN"
    return [
        ClientSetup(
            "claude_code",
            "Claude Code",
            "In a terminal; then /mcp in Claude Code, to sign in.",
            f"claude mcp add --transport http {NAME} {url}{flags}",
        ),
        ClientSetup(
            "vs_code", "VS Code", "In a terminal:", f"code --add-mcp '{json.dumps({'name': NAME, **server})}'"
        ),
        ClientSetup(
            "cursor",
            "Cursor",
            "In .cursor/mcp.json, or ~/.cursor/mcp.json for every project:",
            json.dumps({"mcpServers": {NAME: {"url": url, **sent}}}, indent=2),
        ),
        ClientSetup(
            "inspector",
            "MCP Inspector",
            "In a terminal:",
            f"npx @modelcontextprotocol/inspector --transport http --server-url {url}{flags}",
        ),
        ClientSetup(
            "curl",
            "curl",
            "No handshake and no session are needed.",
            f"curl -X POST {url} \\\n  -H '{credential}' \\\n  -H 'Content-Type: application/json' \\\n"
            """  -d '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'""",
        ),
    ]
