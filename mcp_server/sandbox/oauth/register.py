"""POST /oauth/reg: dynamic client registration (RFC 7591), open to everyone."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from mcp_server.sandbox.bodies import json_object
from mcp_server.sandbox.errors import describe
from mcp_server.sandbox.oauth import clients
from mcp_server.sandbox.oauth.errors import OAuthError
from mcp_server.sandbox.routes.state import StoreDep

router = APIRouter()


@router.post("/oauth/reg")
def register(body: Annotated[object, Depends(json_object)], store: StoreDep) -> JSONResponse:
    """Register a client."""
    try:
        metadata = clients.Metadata.model_validate(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        of_redirect = all(item["loc"][:1] == ("redirect_uris",) for item in found)
        code = "invalid_redirect_uri" if of_redirect else "invalid_client_metadata"
        raise OAuthError(code, describe(found)) from None
    with store.oauth_writing() as session:
        client, secret = clients.register(session, metadata)
        issued_at = session.now // 1000
    answer: dict[str, object] = {
        "client_id": client.id,
        "client_id_issued_at": issued_at,
        **metadata.model_dump(exclude_none=True),
    }
    if secret is not None:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return JSONResponse(answer, 201, {"Cache-Control": "no-store"})
