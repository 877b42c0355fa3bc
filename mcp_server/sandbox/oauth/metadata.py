"""The discovery documents: RFC 8414 for the authorization server, RFC 9728 for the API."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from mcp_server.sandbox.links import LinksDep
from mcp_server.sandbox.oauth import scopes
from mcp_server.sandbox.oauth.clients import AUTH_METHODS, GRANT_TYPES

VAL_TOWN_API = "https://api.val.town"
"""What `resource` is at the real Val Town; taken here beside the stand-in's own address."""

router = APIRouter()


def issuer(base: str) -> str:
    """Return the issuer identifier."""
    return f"{base}/oauth"


def is_resource(resource: str, base: str) -> bool:
    """Say whether a `resource` parameter (RFC 8707) names the API."""
    return resource.rstrip("/") in {base, VAL_TOWN_API}


@router.get("/.well-known/oauth-authorization-server")
@router.get("/.well-known/oauth-authorization-server/oauth")
async def authorization_server(links: LinksDep) -> JSONResponse:
    """Describe the authorization server."""
    here = issuer(links.base)
    return JSONResponse(
        {
            "issuer": here,
            "authorization_endpoint": f"{here}/auth",
            "token_endpoint": f"{here}/token",
            "registration_endpoint": f"{here}/reg",
            "revocation_endpoint": f"{here}/token/revocation",
            "scopes_supported": scopes.SUPPORTED,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": GRANT_TYPES,
            "token_endpoint_auth_methods_supported": AUTH_METHODS,
            "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
    )


@router.get("/.well-known/oauth-protected-resource")
async def protected_resource(links: LinksDep) -> JSONResponse:
    """Describe the API as a resource."""
    return JSONResponse(
        {
            "resource": links.base,
            "authorization_servers": [issuer(links.base)],
            "scopes_supported": scopes.SUPPORTED,
            "bearer_methods_supported": ["header"],
        }
    )
