"""GET and POST /oauth/authorize: the authorization request (RFC 6749 section 4.1.1)."""

import re

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from auth_server.domain import generate
from auth_server.domain.authorization_request import (
    AuthorizationParameters,
    UntrustedRedirectError,
    ValidatedAuthorizationRequest,
    trusted_redirect,
    validate,
)
from auth_server.domain.client_id_url import is_url
from auth_server.domain.redirect_uri import display_host, leads_to_this_computer
from auth_server.endpoints import attempt, browser, pages
from auth_server.endpoints.errors import redirect_error
from auth_server.endpoints.parameters import FORM, MAX_BODY_BYTES, check_content_type, parse
from auth_server.models import Client, PendingAuthorization
from auth_server.outbound.client_documents import NoClientError
from auth_server.services import Services, ServicesDep
from shared.flows.steps import Reason, Step
from shared.logs import get_logger
from shared.oauth.errors import LoginRequired, OAuthError
from shared.web.limits import read_body

router = APIRouter()
_log = get_logger("oauth:authorize")

_CLIENT_ID = re.compile(rf"{generate.CLIENT_ID}[A-Za-z0-9_-]{{22}}|https://[A-Za-z0-9.:/_~-]+")
"""What may be a client: nothing else that is sent in its place is recorded."""


@router.api_route("/oauth/authorize", methods=["GET", "POST"])
async def authorize(request: Request, services: ServicesDep) -> Response:
    """Begin: check the request and send the person to sign in, or to consent when they are signed in.

    The parameters come in the query, or in a form (RFC 6749 section 3.1).
    """
    if request.method == "GET":
        return await _begin(request, services, parse(request.scope["query_string"]))
    check_content_type(request, FORM)
    body = await read_body(request.scope, request.receive, limit=MAX_BODY_BYTES)
    return await _begin(request, services, parse(body))


async def _begin(request: Request, services: Services, parameters: AuthorizationParameters) -> Response:
    handle = generate.secret(generate.TRANSACTION)
    attempt.enter(request, handle)
    # Without keys the store is not ours: 503, and nobody is told that their app is unknown.
    services.keyring.active()
    client_id = parameters.single("client_id")
    # Names alone: a state or a challenge has no business in a log.
    _log.debug("request", client_id=client_id, parameters=sorted(parameters.values))
    if client_id and _CLIENT_ID.fullmatch(client_id):
        attempt.learn(request, client_id=client_id)
    client = await _client(services, client_id) if client_id else None
    if client is not None:
        attempt.learn(request, client_name=client.name)
    redirect = trusted_redirect(parameters, client)
    attempt.learn(request, **_destination(redirect.redirect_uri))
    issuer = services.settings.oauth_issuer_url
    try:
        validated = validate(parameters, redirect, services.resources)
        if "none" in validated.prompt:
            raise LoginRequired("Somebody has to sign in and consent.")
    except OAuthError as error:
        attempt.note(request, services, Step.AUTHORIZE, error.reason, told="client")
        return redirect_error(redirect, error, issuer)
    response = await _send_to_person(request, services, handle, validated)
    attempt.note(request, services, Step.AUTHORIZE, scope=" ".join(validated.scopes))
    return response


def _destination(redirect_uri: str) -> dict[str, str]:
    if not leads_to_this_computer(redirect_uri):
        kind = "web"
    else:
        kind = "loopback" if redirect_uri.startswith("http:") else "scheme"
    return {"redirect_to": display_host(redirect_uri), "redirect_kind": kind}


async def _client(services: Services, client_id: str) -> Client | None:
    if not is_url(client_id) or services.settings.oauth_client_documents == "off":
        return await services.clients.find(client_id)
    try:
        return await services.client_documents.find(client_id)
    except NoClientError as error:
        raise UntrustedRedirectError(error.reason, Reason.CLIENT_DOCUMENT) from None


async def _send_to_person(
    request: Request, services: Services, handle: str, validated: ValidatedAuthorizationRequest
) -> Response:
    secret = browser.ensure_browser_cookie(request, services)
    _log.debug(
        "request accepted",
        client_id=validated.redirect.client.client_id,
        redirect_uri=validated.redirect.redirect_uri,
        scope=" ".join(validated.scopes),
        resource=validated.resource,
        prompt=sorted(validated.prompt),
    )
    session = await browser.session_of(request, services)
    sign_in_anew = bool(validated.prompt & {"login", "select_account"})
    before = generate.digest(session.session_id) if session is not None and sign_in_anew else ""
    await services.pending.save(
        handle,
        PendingAuthorization(
            client_id=validated.redirect.client.client_id,
            redirect_uri=validated.redirect.redirect_uri,
            state=validated.redirect.state,
            code_challenge=validated.code_challenge,
            scopes=validated.scopes,
            resource=validated.resource,
            browser=generate.digest(secret),
            signed_in_before=before,
            ask_for_consent="consent" in validated.prompt,
        ),
    )
    step = "sign-in" if session is None or before else "consent"
    location = f"{pages.base_path(request)}/oauth/{step}?txn={handle}"
    response = RedirectResponse(location, 303, headers={"Cache-Control": "no-store"})
    browser.keep_browser_cookie(response, services, secret)
    return response
