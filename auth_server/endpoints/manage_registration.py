"""GET, PUT and DELETE /oauth/register/{client_id}: a client manages its registration (RFC 7592 section 2)."""

from typing import Never

from fastapi import APIRouter, Request
from starlette.responses import Response

from auth_server.domain import registration
from auth_server.domain.limits import WRONG_REGISTRATION_TOKENS
from auth_server.domain.removal import remove_client
from auth_server.endpoints.register import client_information, read_metadata
from auth_server.models import Client
from auth_server.services import Services, ServicesDep
from auth_server.store.base import Management
from shared.audit import acting
from shared.audit.events import Event, Outcome
from shared.flows.steps import Reason
from shared.logs import get_logger
from shared.oauth.errors import AccessDenied, InvalidToken

router = APIRouter()
_log = get_logger("oauth:register")
_PATH = "/oauth/register/{client_id}"


@router.get(_PATH)
async def read(request: Request, services: ServicesDep, client_id: str) -> Response:
    """Return what is registered (section 2.1); the secret is not known here any more."""
    await _authorize(request, services, client_id)
    client = await _find(services, client_id)
    services.audit.note(Event.CLIENT_READ, Outcome.ALLOWED)
    return _information(services, client)


@router.put(_PATH)
async def update(request: Request, services: ServicesDep, client_id: str) -> Response:
    """Replace the metadata (section 2.2); what was left out is gone."""
    await _authorize(request, services, client_id)
    client = await _find(services, client_id)
    changed = registration.update(
        client,
        await read_metadata(request),
        policy=services.redirect_policy,
        grant_types=tuple(services.token_grants),
    )
    await services.limiter.take(services.registration_limit, cost=registration.cost(changed))
    _check(await services.clients.replace(changed))
    services.audit.note(Event.CLIENT_CHANGED, Outcome.ALLOWED)
    _log.info("client changed", client_id=client_id, redirect_uris=list(changed.redirect_uris))
    return _information(services, changed)


@router.delete(_PATH)
async def delete(request: Request, services: ServicesDep, client_id: str) -> Response:
    """Remove the client and all that was issued to it (section 2.3). It can be repeated when interrupted."""
    await _authorize(request, services, client_id)
    _check(await remove_client(services.clients, services.grants, client_id))
    services.audit.note(Event.CLIENT_CLOSED, Outcome.ALLOWED, Reason.BY_CLIENT)
    _log.info("client removed", client_id=client_id)
    return Response(status_code=204, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


async def _authorize(request: Request, services: Services, client_id: str) -> None:
    # Without keys the store is not ours: nobody is told that their registration is unknown.
    services.keyring.active()
    headers = request.headers.getlist("authorization")
    scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    if scheme.lower() == "bearer" and services.registration_tokens.belongs(token.strip(), client_id):
        acting.learn(client_id=client_id)
        return
    # A bucket only for clients that exist, or anybody could fill the store with buckets.
    if headers and await services.clients.find(client_id) is not None:
        await services.limiter.take(WRONG_REGISTRATION_TOKENS, client_id)
    _refuse()


async def _find(services: Services, client_id: str) -> Client:
    client = await services.clients.find(client_id)
    return _refuse() if client is None else client


def _check(outcome: Management) -> None:
    if outcome is Management.GONE:
        _refuse()
    if outcome is Management.SHARED:
        # RFC 7592 section 2.2: 403 when the client may not change it.
        raise AccessDenied(
            "Other registrations with the same metadata use this client; it cannot be changed."
        )


def _refuse() -> Never:
    # The same for a wrong token, another client's, and a client that is not there (section 2.1).
    raise InvalidToken("The registration access token is not valid for this client.")


def _information(services: Services, client: Client) -> Response:
    members = {"client_id": client.client_id, **client.metadata}
    return client_information(services, client.client_id, members, status=200)
