"""A resource server by FastMCP: its `JWTVerifier`, with keys found through our metadata.

Arguments: the issuer, the address of this server, and the scope that it asks for.
"""

import sys
from typing import Annotated
from urllib.parse import urlsplit

import httpx2
import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from pydantic import AnyHttpUrl, TypeAdapter, UrlConstraints

issuer, resource, scope = sys.argv[1:]
metadata = httpx2.get(f"{issuer}/.well-known/oauth-authorization-server").raise_for_status().json()
address = urlsplit(resource)
verifier = JWTVerifier(
    jwks_uri=metadata["jwks_uri"], issuer=metadata["issuer"], audience=resource, required_scopes=[scope]
)
# AnyHttpUrl(issuer) would add a slash, and clients compare the issuer byte by byte (RFC 8414 section 3.3).
as_written = TypeAdapter(Annotated[AnyHttpUrl, UrlConstraints(preserve_empty_path=True)])
server = FastMCP(
    "foreign",
    auth=RemoteAuthProvider(
        token_verifier=verifier,
        authorization_servers=[as_written.validate_python(issuer)],
        base_url=f"{address.scheme}://{address.netloc}",
    ),
)


@server.tool
def greet() -> str:
    """Say something."""
    return "hello"


uvicorn.run(server.http_app(path=address.path), host="127.0.0.1", port=address.port or 0, log_level="warning")
