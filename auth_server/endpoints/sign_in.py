"""GET and POST /oauth/sign-in: the person proves to have a Val Town account."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from auth_server.domain import generate
from auth_server.domain.approval import seal_session_credential
from auth_server.domain.limits import REFUSED_SIGN_INS, SIGN_IN_ATTEMPTS
from auth_server.domain.redirect_uri import form_action_source
from auth_server.domain.remembered_consent import can_be_remembered
from auth_server.endpoints import attempt, browser, pages
from auth_server.endpoints.parameters import read_form
from auth_server.models import PendingAuthorization, UserSession
from auth_server.services import Services, ServicesDep
from auth_server.sign_in.base import Person, SignInRefusedError
from shared.audit import acting
from shared.flows.steps import Step
from shared.logs import get_logger

router = APIRouter()
_log = get_logger("oauth:sign-in")


@router.api_route("/oauth/sign-in", methods=["GET", "POST"])
async def sign_in(request: Request, services: ServicesDep, txn: str = "") -> Response:
    """Show the form, or take it."""
    if request.method == "GET":
        return await _show(request, services, txn)
    return await _submit(request, services)


async def _show(request: Request, services: Services, txn: str) -> Response:
    """Show the form."""
    attempt.enter(request, txn)
    pending = await browser.pending_of(request, services, txn)
    page = await _page(request, services, txn, pending)
    attempt.note(request, services, Step.SIGN_IN_PAGE)
    return page


async def _submit(request: Request, services: Services) -> Response:
    """Take the form; on success the next page is consent."""
    form = await read_form(request)
    handle = form.get("txn", "")
    attempt.enter(request, handle)
    pending = await browser.pending_of(request, services, handle)
    expected = browser.form_tokens(services, "sign-in", handle, _cookie(request, services))
    browser.check_form_token(request, expected, form.get("csrf"))
    # Before Val Town is asked: a page does not tell good tokens from bad ones at will.
    await services.limiter.take(SIGN_IN_ATTEMPTS, generate.digest(handle))
    if services.val_town_sign_in is not None and form.get("with") == "val-town":
        away = await services.val_town_sign_in.leave(handle, generate.digest(_cookie(request, services)))
        attempt.note(request, services, Step.SENT_TO_VAL_TOWN)
        return RedirectResponse(away, 303, headers={"Cache-Control": "no-store"})
    try:
        person = await services.sign_in.verify(form)
    except SignInRefusedError as error:
        _log.info("sign-in refused", reason=error.reason, client_id=pending.client_id)
        attempt.note(request, services, Step.SIGN_IN_REFUSED, error.code)
        await services.limiter.take(REFUSED_SIGN_INS, pending.client_id)
        return await _page(request, services, handle, pending, problem=error.reason, status=error.status)
    session_id = await begin_session(request, services, person)
    _log.info("signed in", subject=person.subject, client_id=pending.client_id)
    attempt.note(request, services, Step.SIGNED_IN, client_id=pending.client_id, way="api_token")
    return go_on(request, services, handle, pending, session_id)


def go_on(
    request: Request, services: Services, handle: str, pending: PendingAuthorization, session_id: str
) -> Response:
    """Return the way on for somebody who signed in: to consent, or to their own apps."""
    page = f"/oauth/consent?txn={handle}" if pending.client_id else "/account"
    location = f"{pages.base_path(request)}{page}"
    response = RedirectResponse(location, 303, headers={"Cache-Control": "no-store"})
    browser.keep_session_cookie(response, services, session_id)
    return response


async def begin_session(request: Request, services: Services, person: Person) -> str:
    """Return the id of a new session of somebody who signed in."""
    # A new id at every sign-in: one that somebody planted in this browser is worth nothing.
    before = await browser.session_of(request, services)
    if before is not None:
        await services.sessions.end(before.session_id)
    session_id = generate.secret(generate.SESSION)
    sealed = None
    if person.credential is not None:
        sealed = seal_session_credential(services.sealer, session_id, person.credential)
    await services.sessions.save(UserSession(session_id, person.subject, person.username, sealed))
    acting.learn(subject=person.subject)
    return session_id


async def _page(
    request: Request,
    services: Services,
    handle: str,
    pending: PendingAuthorization,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    client = await services.clients.find(pending.client_id)
    values = {
        "base": pages.base_path(request),
        "txn": handle,
        "csrf": browser.form_token(services, "sign-in", handle, _cookie(request, services)),
        "for_account": not pending.client_id,
        "client_name": (client.name if client else "") or "An app",
        "owner_mode": services.settings.val_town_api_token is not None,
        "sandbox": "api.val.town" not in services.settings.val_town_api_url,
        "api_url": services.settings.val_town_api_url,
        "with_val_town": services.val_town_sign_in is not None,
        "problem": problem,
        "attempt": attempt.attempt_of(request),
    }
    # Browsers hold the redirect that answers the form against the policy too.
    leaves_to = services.val_town_sign_in
    sources = ["'self'"]
    if leaves_to is not None:
        sources.append(leaves_to.origin)
    if can_be_remembered(pending):
        # Then the person may be back at the app without another page between.
        sources.append(form_action_source(pending.redirect_uri))
    return pages.render("sign_in.html", values, status=status, form_action=" ".join(sources))


def _cookie(request: Request, services: Services) -> str:
    return browser.browser_cookie(request, services) or ""
