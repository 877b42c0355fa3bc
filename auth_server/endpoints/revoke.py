"""POST /oauth/revoke: a client gives a token back (RFC 7009)."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth_server.endpoints.client_auth import authenticate
from auth_server.endpoints.parameters import read_form, refuse_credentials_in_query
from auth_server.endpoints.presented_token import read_access_token
from auth_server.grants.base import required
from auth_server.models import Client
from auth_server.services import Services, ServicesDep
from shared.audit.events import Event, Outcome
from shared.flows.steps import Reason, Step
from shared.logs import get_logger
from shared.oauth.access_token import LEEWAY
from shared.oauth.errors import InvalidGrant, UnauthorizedClient

router = APIRouter()
_log = get_logger("oauth:revoke")


@router.post("/oauth/revoke")
async def revoke(request: Request, services: ServicesDep) -> Response:
    """Revoke a refresh token with its whole grant, or one access token.

    What is no token, or no token any more, is answered 200 all the same (section 2.2).
    """
    # Without keys no token can be read, and 200 would say that it is revoked (section 2.2.1).
    services.keyring.active()
    refuse_credentials_in_query(request)
    form = await read_form(request)
    client = await authenticate(request, form, services)
    token = required(form, "token")
    # token_type_hint is only a hint, and our tokens tell themselves apart.
    if not await _revoke_refresh_token(services, client, token):
        await _revoke_access_token(services, client, token)
    return Response(status_code=200, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


async def _revoke_refresh_token(services: Services, client: Client, token: str) -> bool:
    try:
        refresh = services.issuer.read_refresh_token(token)
    except InvalidGrant:
        return False
    grant = await services.grants.find(refresh.grant_id)
    if grant is None:
        # Over already, or in a first try that was answered 503: then this one must wait for replicas again.
        await services.grants.revoke(refresh.grant_id, reason="revoked_by_client")
        return True
    _check_owner(services, client, grant.client_id)
    if grant.client_id == client.client_id:
        await services.grants.revoke(refresh.grant_id, reason="revoked_by_client")
        services.flows.note(grant.flow, Step.REVOKED, Reason.BY_CLIENT)
        _log.info("grant revoked", grant_id=refresh.grant_id, client_id=client.client_id)
    return True


async def _revoke_access_token(services: Services, client: Client, token: str) -> None:
    access = await read_access_token(services, token)
    if access is None or access.expires_at + 2 * LEEWAY <= services.clock.now():
        services.audit.note(Event.TOKEN_REVOKED, Outcome.DENIED, Reason.UNKNOWN)
        return
    _check_owner(services, client, access.client_id)
    if access.client_id == client.client_id:
        await services.grants.revoke_access_token(
            access.grant_id, access.token_id, expires_at=access.expires_at
        )
        services.flows.note_of_grant(access.grant_id, Step.REVOKED, Reason.BY_CLIENT)
        services.audit.note(
            Event.TOKEN_REVOKED,
            Outcome.ALLOWED,
            Reason.BY_CLIENT,
            subject=access.subject,
            grant_id=access.grant_id,
            token_id=access.token_id,
        )
        _log.info("access token revoked", grant_id=access.grant_id, client_id=client.client_id)


def _check_owner(services: Services, client: Client, owner_id: str) -> None:
    if client.client_id == owner_id:
        return
    # RFC 7009 section 2.1: the client is told; a public client proved nothing, so it learns nothing.
    if not client.is_public:
        raise UnauthorizedClient("The token was issued to another client.", reason=Reason.WRONG_CLIENT)
    services.audit.note(Event.TOKEN_REVOKED, Outcome.DENIED, Reason.WRONG_CLIENT)
