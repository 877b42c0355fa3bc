"""A resource server by the Python SDK: a `TokenVerifier` with PyJWT; the SDK compares the resource.

Arguments: the issuer, the address of this server, and the scope that it asks for.
"""

import sys
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import jwt
import uvicorn
from mcp.server import MCPServer
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings

issuer, resource, scope = sys.argv[1:]
address = urlsplit(resource)


class Verifier:
    """Checks signature, type, issuer and expiry, with keys found through the metadata."""

    def __init__(self) -> None:
        """Read the authorization server's metadata."""
        metadata = httpx2.get(f"{issuer}/.well-known/oauth-authorization-server").raise_for_status().json()
        self._issuer = metadata["issuer"]
        self._keys = jwt.PyJWKClient(metadata["jwks_uri"])

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what a token says, or None."""
        try:
            claims = await anyio.to_thread.run_sync(self._claims_of, token)
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims["scope"].split(),
            expires_at=claims["exp"],
            resource=claims["aud"],
            subject=claims["sub"],
        )

    def _claims_of(self, token: str) -> dict[str, Any]:
        if jwt.get_unverified_header(token).get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("not an access token")
        key = self._keys.get_signing_key_from_jwt(token)
        return dict(
            jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=self._issuer,
                options={"require": ["exp", "iat", "sub", "aud", "iss"], "verify_aud": False},
            )
        )


server = MCPServer(
    "foreign",
    token_verifier=Verifier(),
    auth=AuthSettings.model_validate(
        {
            "issuer_url": issuer,
            "resource_server_url": resource,
            "required_scopes": [scope],
            "validate_token_resource": True,
        }
    ),
)


@server.tool()
def greet() -> str:
    """Say something."""
    return "hello"


app = server.streamable_http_app(streamable_http_path=address.path)
uvicorn.run(app, host="127.0.0.1", port=address.port or 0, log_level="warning")
