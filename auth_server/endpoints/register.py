"""POST /oauth/register: dynamic client registration (RFC 7591 section 3)."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from auth_server.domain import registration
from auth_server.endpoints.parameters import MAX_BODY_BYTES
from auth_server.services import ServicesDep
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
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise InvalidClientMetadata("The Content-Type must be application/json.")
    body = await read_body(request.scope, request.receive, limit=MAX_BODY_BYTES)
    try:
        metadata = load_object(body)
    except InvalidJsonError as error:
        raise InvalidClientMetadata(f"The JSON body is refused: {error}.") from None
    _log.debug("request", members=sorted(metadata))
    registered = registration.register(
        metadata,
        policy=services.redirect_policy,
        grant_types=tuple(services.token_grants),
        now=services.clock.now(),
    )
    await services.clients.add(registered.client)
    _log.info(
        "client registered",
        client_id=registered.client.client_id,
        name=registered.client.name,
        redirect_uris=list(registered.client.redirect_uris),
    )
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return JSONResponse(registered.response(), 201, headers=headers)
