"""POST /oauth/register: dynamic client registration (RFC 7591 section 3)."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from auth_server.domain import registration
from auth_server.endpoints.parameters import MAX_BODY_BYTES
from auth_server.metrics import REGISTRATIONS
from auth_server.models import Client
from auth_server.services import Services, ServicesDep
from shared.audit.events import Event, Outcome, Why
from shared.logs import get_logger
from shared.oauth.errors import InvalidClientMetadata
from shared.strict_json import InvalidJsonError, load_object
from shared.web.limits import read_body

router = APIRouter()
_log = get_logger("oauth:register")


@router.post("/oauth/register")
async def register(request: Request, services: ServicesDep) -> Response:
    """Register a client; it needs `redirect_uris` and nothing else."""
    # Without keys the store is not ours: nothing that is kept there now would last.
    services.keyring.active()
    metadata = await read_metadata(request)
    _log.debug("request", members=sorted(metadata))
    registered = registration.register(
        metadata,
        policy=services.redirect_policy,
        grant_types=tuple(services.token_grants),
        now=services.clock.now(),
    )
    kept = await _keep(services, registered.client)
    if kept.client_id != registered.client.client_id:
        registered = registered.shared_with(kept)
    shared = kept is not registered.client
    REGISTRATIONS.inc("shared" if shared else "new")
    services.audit.note(
        Event.CLIENT_REGISTERED,
        Outcome.ALLOWED,
        Why.SHARED if shared else "",
        client_id=kept.client_id,
    )
    _log.info(
        "client registered",
        client_id=kept.client_id,
        name=kept.name,
        redirect_uris=list(registered.client.redirect_uris),
        shared=shared,
    )
    return client_information(services, registered.client.client_id, registered.response(), status=201)


async def read_metadata(request: Request) -> Mapping[str, object]:
    """Return the JSON object that a registration or a change of one sends.

    Raises:
        InvalidClientMetadata: another content type, or no strict JSON object.
        RequestRefusedError: the body is too large or too slow.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise InvalidClientMetadata("The Content-Type must be application/json.")
    body = await read_body(request.scope, request.receive, limit=MAX_BODY_BYTES)
    try:
        return load_object(body)
    except InvalidJsonError as error:
        raise InvalidClientMetadata(f"The JSON body is refused: {error}.") from None


def client_information(
    services: Services, client_id: str, members: Mapping[str, object], *, status: int
) -> Response:
    """Return the client information response (RFC 7591 section 3.2.1, RFC 7592 section 3)."""
    body = {
        **members,
        "registration_access_token": services.registration_tokens.make(client_id),
        "registration_client_uri": f"{services.settings.oauth_issuer_url}/oauth/register/{client_id}",
    }
    return JSONResponse(body, status, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


async def _keep(services: Services, client: Client) -> Client:
    """Return the client that the registration gets: one that is there already costs nothing."""
    if client.fingerprint:
        shared = await services.clients.join(client.fingerprint)
        if shared is not None:
            return shared
    await services.limiter.take(services.registration_limit, cost=registration.cost(client))
    return await services.clients.add(client)
