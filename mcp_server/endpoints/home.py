"""GET /: what this is, how to connect and whether this replica is well, for people and for programs."""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from mcp_server.endpoints.client_setup import client_setups
from mcp_server.endpoints.metadata import resource_metadata_url
from mcp_server.protocol.versions import SUPPORTED
from mcp_server.settings import McpSettings
from mcp_server.tools.registry import ToolRegistry
from shared.policy import ANY_TOKEN_TOOLS, AREAS, SCOPES
from shared.web.health import run_checks
from shared.web.security_headers import STRICT_POLICY

if TYPE_CHECKING:
    from jinja2 import Template

STYLESHEET_PATH = "/home.css"

_NAME = "Val Town MCP server"
_DESCRIPTION = "Your Val Town account as tools for MCP clients."


@cache
def _template(name: str) -> "Template":
    # Most replicas are never asked for the page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("mcp_server.endpoints"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)


def home_router(
    settings: McpSettings, tools: ToolRegistry, checks: Mapping[str, Callable[[], Awaitable[bool]]]
) -> APIRouter:
    """Return the page, its JSON twin, which says the same, and the style sheet.

    Args:
        settings: of this service.
        tools: those it offers.
        checks: what `/readyz` depends on.
    """
    router = APIRouter(include_in_schema=False)
    description = _describe(settings)
    shown = {
        **description,
        "setups": client_setups(settings),
        "areas": _areas(tools),
        "tool_count": len(tools.visible(frozenset(SCOPES))),
    }
    headers = {"Vary": "Accept", "Cache-Control": "no-store"}
    page_headers = {**headers, "Content-Security-Policy": f"{STRICT_POLICY}; style-src 'self'"}

    @router.api_route("/", methods=["GET", "HEAD"])
    async def home(request: Request) -> Response:
        health = {name: "ok" if good else "failing" for name, good in (await run_checks(checks)).items()}
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(_template("home.html").render(shown, health=health), headers=page_headers)
        return JSONResponse({**description, "health": health}, headers=headers)

    @router.api_route(STYLESHEET_PATH, methods=["GET", "HEAD"])
    async def stylesheet() -> Response:
        content = _template("home.css").render()
        return Response(content, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})

    return router


def _describe(settings: McpSettings) -> dict[str, object]:
    description: dict[str, object] = {
        "name": _NAME,
        "description": _DESCRIPTION,
        "mcp_endpoint": settings.mcp_resource_url,
        "protocol_versions": list(SUPPORTED),
        "oauth_enabled": settings.oauth_enabled,
        "connect": {setup.key: setup.copy for setup in client_setups(settings)},
    }
    if settings.oauth_enabled:
        description["resource_metadata"] = resource_metadata_url(settings)
        description["authorization_server"] = settings.oauth_issuer_url
        description["connected_apps"] = f"{settings.oauth_issuer_url}/account"
    return description


def _areas(tools: ToolRegistry) -> list[dict[str, object]]:
    """Return the tools as the consent page groups them; a set that is switched off is left out."""
    summaries = {
        tool.name: _first_sentence(tool.definition.description) for tool in tools.visible(frozenset(SCOPES))
    }
    groups: list[tuple[str, Mapping[str, tuple[str, ...]]]] = [
        ("This connection", {"any scope": ANY_TOKEN_TOOLS}),
        *((area.title, {name: SCOPES[name].tools for name in area.scopes}) for area in AREAS),
    ]
    areas: list[dict[str, object]] = []
    for title, names_by_scope in groups:
        rows = [
            {"name": name, "scope": scope, "summary": summaries[name]}
            for scope, names in names_by_scope.items()
            for name in names
            if name in summaries
        ]
        if rows:
            areas.append({"title": title, "tools": rows})
    return areas


def _first_sentence(description: str | None) -> str:
    return (description or "").split("\n\n")[0]
