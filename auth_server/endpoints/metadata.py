"""The published documents: server metadata (RFC 8414), its OpenID alias, and the JWK Set (RFC 7517)."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from auth_server.domain import pkce
from auth_server.domain.client_keys import ALGORITHMS
from auth_server.domain.client_metadata import AUTH_METHODS
from auth_server.endpoints.pages import STYLESHEET, STYLESHEET_PATH
from auth_server.services import Services, ServicesDep
from shared.oauth.signatures import JWKS_MAX_AGE
from shared.policy import ALL_SCOPES

router = APIRouter()
_CACHE = {"Cache-Control": "public, max-age=300"}
_CACHE_KEYS = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE}"}


async def server_metadata(services: ServicesDep) -> Response:
    """Return what works here, and nothing else (RFC 8414 section 2)."""
    return JSONResponse(_metadata(services), headers=_CACHE)


async def openid_configuration(services: ServicesDep) -> Response:
    """Return the same where OpenID clients look, with the members OpenID Connect Discovery requires."""
    body = _metadata(services) | {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [
            services.keyring.algorithm(services.settings.oauth_signing_algorithm)
        ],
    }
    return JSONResponse(body, headers=_CACHE)


@router.api_route("/.well-known/jwks.json", methods=["GET", "HEAD"])
async def jwks(services: ServicesDep) -> Response:
    """Return the public keys."""
    return JSONResponse(services.keyring.jwks(), headers=_CACHE_KEYS)


@router.get(STYLESHEET_PATH, include_in_schema=False)
async def stylesheet() -> Response:
    """Return the pages' stylesheet."""
    return Response(STYLESHEET, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


def _metadata(services: Services) -> dict[str, object]:
    issuer = services.settings.oauth_issuer_url
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "registration_endpoint": f"{issuer}/oauth/register",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": list(ALL_SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(services.token_grants),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": [name for name in AUTH_METHODS if name != "none"],
        "introspection_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "code_challenge_methods_supported": [pkce.METHOD],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": services.settings.oauth_client_documents != "off",
        "protected_resources": list(services.settings.resources),
    }


def well_known_router(issuer_path: str) -> APIRouter:
    """Return the metadata routes in every form that clients probe (RFC 8414 section 3.1, and OpenID's own).

    For an issuer with a path: inserted after the well-known name, and appended to the path.
    """
    well_known = APIRouter()
    for name, endpoint in (
        ("oauth-authorization-server", server_metadata),
        ("openid-configuration", openid_configuration),
    ):
        forms = {
            f"/.well-known/{name}",
            f"/.well-known/{name}{issuer_path}",
            f"{issuer_path}/.well-known/{name}",
        }
        for path in sorted(forms):
            well_known.add_api_route(path, endpoint, methods=["GET", "HEAD"])
    return well_known
