"""POST /oauth/token: the phases every grant type shares, then the grant (RFC 6749 section 3.2)."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from auth_server.endpoints.client_auth import authenticate
from auth_server.endpoints.decisions import reason_of
from auth_server.endpoints.errors import answer_raised
from auth_server.endpoints.parameters import read_form, refuse_credentials_in_query
from auth_server.grants.base import required
from auth_server.metrics import TOKENS
from auth_server.models import Client, Grant
from auth_server.services import Services, ServicesDep
from shared.audit import acting
from shared.audit.events import Event, Outcome, Why
from shared.flows.steps import Reason, Step
from shared.logs import get_logger
from shared.oauth.errors import (
    OAuthError,
    TemporarilyUnavailable,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from shared.redis.patience import asked_by
from shared.web.fields import HeaderFields
from shared.web.hang_up import has_hung_up
from shared.web.whole_response import WholeResponse

PATH: Final = "/oauth/token"

_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
    (b"content-type", b"application/json"),
)

router = APIRouter()
_log = get_logger("oauth:token")


def direct(services: Services) -> ASGIApp:
    """Return the endpoint as FastAPI does not route it: the same, for a third of the cost around it."""

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await token(request, services)
        except Exception as error:
            response = await answer_raised(request, error)
        await response(scope, receive, send)

    return endpoint


class _Reading:
    """What the request is about, read from the store when its client is asked for."""

    def __init__(self, services: Services, grant_id: str | None) -> None:
        self._store = services.token_requests
        self._grant_id = grant_id
        self.grant: Grant | None = None

    async def client(self, client_id: str) -> Client | None:
        client, self.grant = await self._store.find(client_id, self._grant_id)
        return client


@router.post(PATH)
async def token(request: Request, services: ServicesDep) -> Response:
    """Exchange a code or a refresh token; the body may be a form or strict JSON.

    Nothing is exchanged for a client that has hung up. One that got no answer asks again, maybe elsewhere,
    and its session goes on; a replica that hung meanwhile would come to the old request late, and find in it
    a refresh token that was replaced twice: a stolen one, as it must seem.
    """
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
    presented = grant.presented(form)
    grant_id = presented.grant_id
    try:
        # 3. Authenticate the client, and check that it may.
        reading = _Reading(services, grant_id)
        client = await authenticate(request, form, services, reading.client)
        if grant_type not in client.grant_types:
            raise UnauthorizedClient("The client is not registered for this grant_type.")
        # 4. Exchange, and answer, if somebody waits for it.
        if has_hung_up(request.receive):
            raise TemporarilyUnavailable("The client has gone.")
        with asked_by(request.is_disconnected):
            exchanged = await grant.exchange(form, presented, client, reading.grant)
    except OAuthError as error:
        _note_refusal(services, grant_type, grant_id, error, _client_auth(request, form))
        raise
    request.state.flow = exchanged.flow
    acting.learn(flow=exchanged.flow)
    services.flows.note(
        exchanged.flow, exchanged.step, exchanged.reason, client_auth=_client_auth(request, form)
    )
    TOKENS.inc(grant_type)
    services.audit.note(
        Event.TOKEN_ISSUED,
        Outcome.ALLOWED,
        exchanged.reason or grant_type,
        subject=exchanged.subject,
        grant_id=exchanged.grant_id,
        token_id=exchanged.token_id,
        scopes=exchanged.scopes,
        resource=exchanged.resource,
    )
    return WholeResponse(200, exchanged.body.encode(), _HEADERS)


def _note_refusal(
    services: Services, grant_type: str, grant_id: str | None, error: OAuthError, client_auth: str
) -> None:
    """Note a refusal in the attempt that the presented code or refresh token came from, whoever sent it."""
    reason = reason_of(error)
    refreshed = grant_type == "refresh_token"
    acting.learn(grant_id=grant_id or "")
    if reason == Reason.REUSED:
        reused = Why.REFRESH_TOKEN_REUSED if refreshed else Why.CODE_REUSED
        services.audit.note(Event.GRANT_REVOKED, Outcome.ALLOWED, reused)
    step = Step.REFRESH_REFUSED if refreshed else Step.TOKEN_REFUSED
    services.flows.note_of_grant(grant_id or "", step, reason, client_auth=client_auth)


def _client_auth(request: Request, form: Mapping[str, str]) -> str:
    """Return how the client tried to prove who it is, as RFC 7591 section 2 names it."""
    if HeaderFields.of(request.scope).all(b"authorization"):
        return "client_secret_basic"
    if "client_assertion" in form:
        return "private_key_jwt"
    return "client_secret_post" if form.get("client_secret") else "none"
