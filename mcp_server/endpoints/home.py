"""GET /: what this is and how to connect, for people and for programs."""

import base64
import hashlib
import json
from pathlib import Path

from fastapi import APIRouter, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, JSONResponse, Response

from mcp_server.endpoints.metadata import resource_metadata_url
from mcp_server.protocol.versions import SUPPORTED
from mcp_server.settings import McpSettings
from shared.web.security_headers import STRICT_POLICY

_TEMPLATES = Path(__file__).parent / "templates"


def home_router(settings: McpSettings) -> APIRouter:
    """Return the page and its JSON twin, which say the same."""
    router = APIRouter(include_in_schema=False)
    description = _describe(settings)
    page, policy = _render(description)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def home(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(page, headers={"Content-Security-Policy": policy, "Vary": "Accept"})
        return JSONResponse(description, headers={"Vary": "Accept"})

    return router


def _render(description: dict[str, object]) -> tuple[str, str]:
    """Return the page and a policy that allows its style sheet by its hash (CSP Level 3 section 2.3.1)."""
    style = (_TEMPLATES / "home.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    templates = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    style_sheet = Markup(style)  # noqa: S704 - our own file, and no data in it
    page = templates.get_template("home.html").render(description, style=style_sheet)
    return page, f"{STRICT_POLICY}; style-src 'sha256-{digest}'"


def _describe(settings: McpSettings) -> dict[str, object]:
    url = settings.mcp_resource_url
    description: dict[str, object] = {
        "name": "Val Town MCP server",
        "description": "Your Val Town account as tools for MCP clients.",
        "mcp_endpoint": url,
        "protocol_versions": list(SUPPORTED),
        "oauth_enabled": settings.oauth_enabled,
        "connect": _connect(url, _credential_header(settings)),
    }
    if settings.oauth_enabled:
        description["resource_metadata"] = resource_metadata_url(settings)
        description["authorization_server"] = settings.oauth_issuer_url
    return description


def _credential_header(settings: McpSettings) -> str:
    return (
        "Authorization: Bearer ACCESS_TOKEN" if settings.oauth_enabled else "X-Val-Town-Token: YOUR_API_TOKEN"
    )


def _connect(url: str, credential_header: str) -> dict[str, str]:
    server = {"name": "val-town", "type": "http", "url": url}
    return {
        "claude_code": f"claude mcp add --transport http val-town {url}",
        "vs_code": f"code --add-mcp '{json.dumps(server)}'",
        "cursor": json.dumps({"mcpServers": {"val-town": {"url": url}}}, indent=2),
        "curl": (
            f"curl -X POST {url} -H '{credential_header}' -H 'Content-Type: application/json' "
            """-d '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'"""
        ),
    }
