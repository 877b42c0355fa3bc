"""GET and POST /oauth/consent: the person decides, once (RFC 6749 section 4.1.2, OAuth 2.1 section 7.9)."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from auth_server.domain import generate
from auth_server.domain.approval import code_grant_id, open_session_credential
from auth_server.domain.authorization_request import client_redirects_to
from auth_server.domain.client_id_url import host_of
from auth_server.domain.redirect_uri import display_host, form_action_source, leads_to_this_computer
from auth_server.domain.remembered_consent import can_be_remembered
from auth_server.endpoints import attempt, browser, pages
from auth_server.endpoints.consent_form import Choice, ChoiceError
from auth_server.endpoints.errors import redirect_back
from auth_server.endpoints.parameters import read_form
from auth_server.models import Client, PendingAuthorization, RememberedConsent, UserSession
from auth_server.services import Services, ServicesDep
from shared.credentials import OAuthTokens
from shared.flows.steps import Reason, Step
from shared.logs import get_logger
from shared.oauth.errors import AccessDenied
from shared.oauth.scopes import expand, narrow
from shared.policy import AREAS, SCOPES
from shared.refusals.pages import NO_DECISION

router = APIRouter()
_log = get_logger("oauth:consent")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A pending authorization with everything its page shows."""

    handle: str
    pending: PendingAuthorization
    client: Client
    session: UserSession


@router.api_route("/oauth/consent", methods=["GET", "POST"])
async def consent(request: Request, services: ServicesDep, txn: str = "") -> Response:
    """Show who asks for what, or take the decision."""
    if request.method == "GET":
        return await _show(request, services, txn)
    return await _submit(request, services)


async def _show(request: Request, services: Services, txn: str) -> Response:
    """Show who asks for what."""
    attempt.enter(request, txn)
    pending = await browser.pending_of(request, services, txn)
    waiting = await _waiting(request, services, txn, pending)
    if waiting is None:
        return _sign_in_first(request, txn)
    remembered = await services.remembered.recall(waiting.client, pending, waiting.session.subject)
    if remembered is not None:
        return await _approve_again(request, services, waiting, remembered)
    page = await _page(request, services, waiting, Choice())
    attempt.note(request, services, Step.CONSENT_PAGE)
    return page


async def _submit(request: Request, services: Services) -> Response:
    """Take the decision and send the person back to the client."""
    form = await read_form(request)
    handle = form.get("txn", "")
    attempt.enter(request, handle)
    pending = await browser.pending_of(request, services, handle)
    waiting = await _waiting(request, services, handle, pending)
    if waiting is None:
        return _sign_in_first(request, handle)
    # Bound to the session: a form shown to one person is not taken from another.
    expected = browser.form_tokens(services, "consent", handle, waiting.session.session_id)
    browser.check_form_token(request, expected, form.get("csrf"))
    decision = form.get("decision")
    choice = Choice.of(form)
    _log.debug("answer", decision=decision, asked=" ".join(pending.scopes), ticked=sorted(choice.scopes))
    if decision == "deny":
        return await _deny(request, services, waiting)
    try:
        if decision != "approve":
            raise ChoiceError("Choose to allow or to refuse.")
        if not expand(narrow(pending.scopes, choice.scopes)):
            choice = replace(choice, scopes=frozenset(SCOPES))
            raise ChoiceError("Leave at least one permission ticked, or refuse.")
        vals = await choice.chosen_vals(services.person_vals, waiting.session)
    except ChoiceError as error:
        attempt.note(request, services, Step.PAGE_REFUSED, Reason.NO_DECISION, page="consent")
        return await _page(request, services, waiting, choice, problem=str(error))
    # What is decided here takes the place of what was decided before.
    await services.remembered.forget(waiting.session.subject, waiting.client.client_id)
    code = await _approve(request, services, waiting, choice.scopes, vals)
    if choice.remember:
        await services.remembered.remember(
            waiting.client,
            waiting.pending,
            waiting.session.subject,
            grant_id=code_grant_id(code) or "",
            kept=choice.scopes,
            vals=vals,
        )
    return _send_code(request, services, waiting.pending, code)


async def _deny(request: Request, services: Services, waiting: _Waiting) -> Response:
    pending = await _take(request, services, waiting)
    await services.remembered.forget(waiting.session.subject, pending.client_id)
    _log.info("denied", client_id=pending.client_id, subject=waiting.session.subject)
    attempt.note(request, services, Step.DENIED)
    return _to_client(services, pending, AccessDenied("The person refused.").members())


async def _approve_again(
    request: Request, services: Services, waiting: _Waiting, remembered: RememberedConsent
) -> Response:
    """Answer as the person did before, without a page between."""
    code = await _approve(
        request, services, waiting, remembered.kept, remembered.vals, reason=Reason.REMEMBERED
    )
    subject = waiting.session.subject
    if await services.remembered.recall(waiting.client, waiting.pending, subject) != remembered:
        # Taken back while this went on: what was made meanwhile goes too, before anybody gets it.
        await services.grants.revoke(code_grant_id(code) or "", reason="revoked_by_person")
        raise browser.stale_page()
    return _send_code(request, services, waiting.pending, code)


async def _approve(
    request: Request,
    services: Services,
    waiting: _Waiting,
    kept: Collection[str],
    vals: tuple[str, ...],
    *,
    reason: str = "",
) -> str:
    pending = await _take(request, services, waiting)
    credential = open_session_credential(services.sealer, waiting.session)
    if isinstance(credential, OAuthTokens) and not await services.sessions.end(waiting.session.session_id):
        # Its refresh token is good for one use, so it serves one app; the next one asks Val Town again.
        raise browser.stale_page()
    await services.clients.hold(pending.client_id)
    flow = attempt.attempt_of(request)
    code = await services.approval.approve(pending, waiting.session, kept, vals, flow=flow)
    attempt.note(
        request,
        services,
        Step.APPROVED,
        reason,
        scope=" ".join(narrow(pending.scopes, kept)),
        vals=str(len(vals) or ""),
        grant_id=code_grant_id(code) or "",
    )
    return code


def _send_code(request: Request, services: Services, pending: PendingAuthorization, code: str) -> Response:
    attempt.note(request, services, Step.CODE_SENT)
    return _to_client(services, pending, {"code": code})


def _to_client(services: Services, pending: PendingAuthorization, members: dict[str, str]) -> Response:
    return redirect_back(pending.redirect_uri, pending.state, services.settings.oauth_issuer_url, members)


async def _take(request: Request, services: Services, waiting: _Waiting) -> PendingAuthorization:
    secret = browser.browser_cookie(request, services) or ""
    pending = await services.pending.take(waiting.handle, generate.digest(secret))
    if pending is None:
        raise browser.stale_page()
    return pending


async def _waiting(
    request: Request, services: Services, handle: str, pending: PendingAuthorization
) -> _Waiting | None:
    session = await browser.session_of(request, services)
    if session is None or generate.digest(session.session_id) == pending.signed_in_before:
        return None
    client = await services.clients.find(pending.client_id)
    if client is None or not client_redirects_to(client, pending.redirect_uri):
        # Removed, or changed, since it asked.
        raise browser.stale_page()
    return _Waiting(handle, pending, client, session)


def _sign_in_first(request: Request, handle: str) -> Response:
    location = f"{pages.base_path(request)}/oauth/sign-in?txn={handle}"
    return RedirectResponse(location, 303, headers={"Cache-Control": "no-store"})


async def _page(
    request: Request, services: Services, waiting: _Waiting, choice: Choice, *, problem: str = ""
) -> Response:
    asked = expand(waiting.pending.scopes)
    areas = [
        (area, [SCOPES[name] for name in area.scopes if name in asked])
        for area in AREAS
        if not asked.isdisjoint(area.scopes)
    ]
    can_limit = any(area.of_vals for area, _ in areas)
    vals = await services.person_vals.newest(waiting.session) if can_limit else None
    values = {
        "base": pages.base_path(request),
        "txn": waiting.handle,
        "csrf": browser.form_token(services, "consent", waiting.handle, waiting.session.session_id),
        "client_name": waiting.client.name or "An app without a name",
        "pre_registered": waiting.client.by_operator,
        "described_by": host_of(waiting.client.client_id) if waiting.client.by_document else "",
        "redirect_host": display_host(waiting.pending.redirect_uri),
        "only_this_computer": leads_to_this_computer(waiting.pending.redirect_uri),
        "username": waiting.session.username,
        "resource": waiting.pending.resource,
        "areas": areas,
        "choice": choice,
        "can_be_remembered": can_be_remembered(waiting.pending),
        "can_limit": can_limit,
        "vals": vals,
        "problem": problem,
        "attempt": attempt.attempt_of(request),
    }
    form_action = f"'self' {form_action_source(waiting.pending.redirect_uri)}"
    return pages.render(
        "consent.html", values, status=NO_DECISION.status if problem else 200, form_action=form_action
    )
