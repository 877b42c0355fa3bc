"""The well-known documents of the resource (RFC 9728; for MCP 2025-03-26 clients also RFC 8414)."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from mcp_server.auth.issuer import IssuerUnavailableError
from mcp_server.services import ServicesDep
from mcp_server.settings import McpSettings
from shared.oauth.errors import OAuthNotEnabled, TemporarilyUnavailable
from shared.policy import RESOURCE_SCOPES

RESOURCE_METADATA = "/.well-known/oauth-protected-resource"
ISSUER_METADATA = "/.well-known/oauth-authorization-server"

_CACHED = {"Cache-Control": "public, max-age=300"}


def resource_metadata_url(settings: McpSettings) -> str:
    """Return the URL that challenges name: the well-known path goes first (RFC 9728 section 3.1)."""
    return f"{settings.resource_origin}{RESOURCE_METADATA}{settings.resource_path}"


def _paths(settings: McpSettings) -> tuple[str, ...]:
    # For a client that was given the resource with a slash at its end, too.
    of_resource = f"{RESOURCE_METADATA}{settings.resource_path}"
    return (RESOURCE_METADATA, of_resource, f"{of_resource}/", ISSUER_METADATA)


def metadata_router(settings: McpSettings) -> APIRouter:
    """Return the routes; with OAuth off each says so."""
    router = APIRouter(include_in_schema=False)
    document = _resource_metadata(settings)

    async def resource_metadata() -> Response:
        return JSONResponse(document, headers=_CACHED)

    async def issuer_metadata(services: ServicesDep) -> Response:
        try:
            body = await services.issuer_metadata.read()
        except IssuerUnavailableError:
            raise TemporarilyUnavailable("The authorization server cannot be reached.") from None
        return Response(body, media_type="application/json", headers=_CACHED)

    async def not_enabled() -> Response:
        raise OAuthNotEnabled

    for path in _paths(settings):
        endpoint = issuer_metadata if path == ISSUER_METADATA else resource_metadata
        handler = endpoint if settings.oauth_enabled else not_enabled
        router.add_api_route(path, handler, methods=["GET", "HEAD"])
    return router


def _resource_metadata(settings: McpSettings) -> dict[str, object]:
    # Strings exactly as configured: clients compare `resource` and the issuer byte for byte.
    return {
        "resource": settings.mcp_resource_url,
        "authorization_servers": [settings.oauth_issuer_url],
        "scopes_supported": list(RESOURCE_SCOPES),
        "bearer_methods_supported": ["header"],
        "resource_name": "Val Town",
        "resource_documentation": f"{settings.resource_origin}/",
    }
