"""POST /oauth/token: the phases every grant type shares, then the grant (RFC 6749 section 3.2)."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth_server.endpoints.client_auth import authenticate
from auth_server.endpoints.parameters import read_form, refuse_credentials_in_query
from auth_server.grants.base import required
from auth_server.services import ServicesDep
from shared.logs import get_logger
from shared.oauth.errors import UnauthorizedClient, UnsupportedGrantType

router = APIRouter()
_log = get_logger("oauth:token")


@router.post("/oauth/token")
async def token(request: Request, services: ServicesDep) -> Response:
    """Exchange a code or a refresh token; the body may be a form or strict JSON."""
    # Without keys nothing can be issued; say so before anybody's credential is judged with the wrong ones.
    services.keyring.active()
    # 1. Read the parameters.
    refuse_credentials_in_query(request)
    form = await read_form(request, allow_json=True)
    _log.debug("request", grant_type=form.get("grant_type"), parameters=sorted(form))
    # 2. Find the grant type.
    grant_type = required(form, "grant_type")
    grant = services.token_grants.get(grant_type)
    if grant is None:
        raise UnsupportedGrantType(f"The grant_type must be one of: {' '.join(services.token_grants)}")
    # 3. Authenticate the client, and check that it may.
    client = await authenticate(request, form, services)
    if grant_type not in client.grant_types:
        raise UnauthorizedClient("The client is not registered for this grant_type.")
    # 4. Exchange, and answer.
    body = await grant.exchange(form, client)
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return Response(body, media_type="application/json", headers=headers)
