"""POST /oauth/introspect: is a token good, and what for (RFC 7662)?

A client learns about its own tokens alone. The resource servers here need no introspection: they check
tokens themselves, and hear of revocations.
"""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from auth_server.endpoints.client_auth import authenticate
from auth_server.endpoints.parameters import read_form, refuse_credentials_in_query
from auth_server.endpoints.presented_token import read_access_token
from auth_server.grants.base import required
from auth_server.models import Client, Grant
from auth_server.services import Services, ServicesDep
from shared.audit.events import Event, Outcome, Why
from shared.logs import get_logger
from shared.oauth.access_token import GRANT_ID_CLAIM
from shared.oauth.authorization_details import details_of
from shared.oauth.errors import InvalidClient, InvalidGrant
from shared.oauth.scopes import format_scope

router = APIRouter()
_log = get_logger("oauth:introspect")


@router.post("/oauth/introspect")
async def introspect(request: Request, services: ServicesDep) -> Response:
    """Return what a token of the calling client amounts to; `{"active": false}` for anything else.

    Expired, revoked, malformed and other clients' tokens look the same (section 2.2).
    """
    # Without keys no token can be read, and "inactive" would be wrong.
    services.keyring.active()
    refuse_credentials_in_query(request)
    form = await read_form(request)
    client = await authenticate(request, form, services)
    if client.is_public:
        # Section 2.1: without it, whoever finds a token could ask what it opens.
        raise InvalidClient("Only a client that proves itself may introspect.")
    token = required(form, "token")
    # token_type_hint is only a hint, and our tokens tell themselves apart.
    found = await _refresh_token(services, client, token) or await _access_token(services, client, token)
    _log.debug("answered", client_id=client.client_id, active=found is not None)
    services.audit.note(
        Event.TOKEN_INTROSPECTED,
        Outcome.DENIED if found is None else Outcome.ALLOWED,
        Why.INACTIVE if found is None else "",
        grant_id="" if found is None else str(found[GRANT_ID_CLAIM]),
        token_id="" if found is None else str(found.get("jti", "")),
    )
    body = {"active": False} if found is None else {"active": True, **found}
    return JSONResponse(body, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


async def _refresh_token(services: Services, client: Client, token: str) -> Mapping[str, object] | None:
    try:
        refresh = services.issuer.read_refresh_token(token)
    except InvalidGrant:
        return None
    grant = await _grant_of(services, client, refresh.grant_id)
    if grant is None:
        return None
    expires_at = await services.grants.refresh_expiry(grant.grant_id, refresh.token_hash)
    if expires_at is None:
        return None
    # Without token_type: that tells how an access token is used (RFC 6749 section 7.1).
    return {
        "scope": format_scope(grant.scopes),
        "client_id": grant.client_id,
        "username": grant.username,
        "exp": expires_at,
        "sub": grant.subject,
        "aud": grant.resource,
        "iss": services.settings.oauth_issuer_url,
        GRANT_ID_CLAIM: grant.grant_id,
        **details_of(grant.vals),
    }


async def _access_token(services: Services, client: Client, token: str) -> Mapping[str, object] | None:
    access = await read_access_token(services, token)
    if access is None or access.expires_at <= services.clock.now():
        return None
    grant = await _grant_of(services, client, access.grant_id)
    if grant is None or access.client_id != client.client_id or access.version != grant.version:
        return None
    if access.audience not in services.settings.resources:
        return None
    if await services.grants.is_access_token_revoked(access.grant_id, access.token_id):
        return None
    return {
        "scope": access.scope,
        "client_id": access.client_id,
        "username": grant.username,
        "token_type": "Bearer",
        "exp": access.expires_at,
        "iat": access.issued_at,
        "sub": access.subject,
        "aud": access.audience,
        "iss": services.settings.oauth_issuer_url,
        "jti": access.token_id,
        GRANT_ID_CLAIM: access.grant_id,
        **details_of(grant.vals),
    }


async def _grant_of(services: Services, client: Client, grant_id: str) -> Grant | None:
    grant = await services.grants.find(grant_id)
    if grant is None or grant.client_id != client.client_id or not services.admission.admits(grant.username):
        return None
    return grant
