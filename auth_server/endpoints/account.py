"""GET /account and its forms: the apps that a person has connected, and taking access back."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from auth_server.domain import generate
from auth_server.domain.client_id_url import host_of
from auth_server.domain.redirect_uri import display_host
from auth_server.endpoints import attempt, browser, pages
from auth_server.endpoints.consent_form import Choice
from auth_server.endpoints.parameters import read_form
from auth_server.endpoints.usage_chart import chart_of
from auth_server.grants.base import MAX_TRIES
from auth_server.models import Grant, GrantSummary, PendingAuthorization, UserSession
from auth_server.services import Services, ServicesDep
from auth_server.store.base import Narrowing
from shared.audit.events import Event, Outcome
from shared.flows.steps import Reason, Step
from shared.logs import get_logger
from shared.oauth.errors import TemporarilyUnavailable
from shared.oauth.scopes import expand, narrow
from shared.policy import SCOPES
from shared.usage import Usage

router = APIRouter()
_log = get_logger("oauth:account")

NO_CLIENT: Final = ""
"""In place of a client_id in a pending authorization: the person signs in for this page, not for an app."""

MAX_SHOWN: Final = 100

_SAID: Final = {
    "revoked": "The app is disconnected. Its next call is refused.",
    "all": "Every app is disconnected.",
    "gone": "That app was not connected any more.",
    "narrowed": "The app has fewer permissions now, from its next call on.",
    "same": "Nothing was changed: the app has no other permissions.",
    "nothing": "Nothing was changed: no permission would be left. Disconnect the app instead.",
}


@router.get("/account")
async def account(request: Request, services: ServicesDep, done: str = "") -> Response:
    """Show the apps of the person who is signed in with this browser; ask others to sign in."""
    session = await browser.session_of(request, services)
    if session is None:
        return await _sign_in(request, services)
    return await _page(request, services, session, done)


@router.post("/account/revoke")
async def revoke(request: Request, services: ServicesDep) -> Response:
    """Disconnect one app."""
    session, form = await _checked(request, services)
    grant = await services.grants.find(form.get("grant", ""))
    # Somebody else's is as good as none: nobody learns that it exists.
    if grant is None or grant.subject != session.subject:
        services.audit.note(Event.GRANT_REVOKED, Outcome.DENIED, Reason.UNKNOWN)
        return _back(request, "gone")
    await services.remembered.forget(session.subject, grant.client_id)
    await services.grants.revoke(grant.grant_id, reason="revoked_by_person")
    services.flows.note(grant.flow, Step.REVOKED, Reason.BY_PERSON)
    _log.info("revoked", grant_id=grant.grant_id, client_id=grant.client_id, subject=session.subject)
    return _back(request, "revoked")


@router.post("/account/narrow")
async def narrow_grant(request: Request, services: ServicesDep) -> Response:
    """Leave an app the permissions that are ticked, or those that it used."""
    session, form = await _checked(request, services)
    for _ in range(MAX_TRIES):
        grant = await services.grants.find(form.get("grant", ""))
        if grant is None or grant.subject != session.subject:
            services.audit.note(Event.GRANT_NARROWED, Outcome.DENIED, Reason.UNKNOWN)
            return _back(request, "gone")
        kept = await _kept(services, grant, form)
        scopes = narrow(grant.scopes, kept)
        if not expand(scopes):
            return _back(request, "nothing")
        if expand(scopes) == expand(grant.scopes):
            return _back(request, "same")
        await services.remembered.forget(session.subject, grant.client_id)
        outcome = await services.grants.narrow(grant, scopes)
        if outcome is Narrowing.OK:
            services.audit.note(
                Event.GRANT_NARROWED,
                Outcome.ALLOWED,
                Reason.BY_PERSON,
                client_id=grant.client_id,
                grant_id=grant.grant_id,
                scopes=scopes,
            )
            _log.info("narrowed", grant_id=grant.grant_id, subject=session.subject, scope=" ".join(scopes))
            return _back(request, "narrowed")
    raise TemporarilyUnavailable("The grant is being changed; try again.")


async def _kept(services: Services, grant: Grant, form: Mapping[str, str]) -> Collection[str]:
    if form.get("keep") != "used":
        return Choice.of(form).scopes
    (usage,) = await services.usage.of([grant.grant_id])
    return expand(name for name in usage.scopes if name in SCOPES)


@router.post("/account/revoke-all")
async def revoke_all(request: Request, services: ServicesDep) -> Response:
    """Disconnect every app, once the box that confirms it is ticked."""
    session, form = await _checked(request, services)
    if form.get("sure") != "on":
        return _back(request, "")
    # Again until there is none: the list is bounded.
    while grants := await services.grants.of_user(session.subject):
        for grant in grants:
            await services.remembered.forget(session.subject, grant.client_id)
            await services.grants.revoke(grant.grant_id, reason="revoked_by_person")
            services.flows.note_of_grant(grant.grant_id, Step.REVOKED, Reason.BY_PERSON)
    _log.info("revoked all", subject=session.subject)
    return _back(request, "all")


@router.post("/account/sign-out")
async def sign_out(request: Request, services: ServicesDep) -> Response:
    """End the session of this browser."""
    session, _form = await _checked(request, services)
    await services.sessions.end(session.session_id)
    return pages.render("signed_out.html", {"base": pages.base_path(request)})


async def _checked(request: Request, services: Services) -> tuple[UserSession, Mapping[str, str]]:
    form = await read_form(request)
    session = await browser.session_of(request, services)
    if session is None:
        raise browser.stale_page()
    # Bound to the session: a form shown to one person is not taken from another.
    expected = browser.form_tokens(services, "account", "", session.session_id)
    browser.check_form_token(request, expected, form.get("csrf"))
    return session, form


async def _sign_in(request: Request, services: Services) -> Response:
    services.keyring.active()
    handle = generate.secret(generate.TRANSACTION)
    attempt.enter(request, handle)
    secret = browser.ensure_browser_cookie(request, services)
    await services.pending.save(
        handle,
        PendingAuthorization(
            client_id=NO_CLIENT,
            redirect_uri="",
            state=None,
            code_challenge="",
            scopes=(),
            resource="",
            browser=generate.digest(secret),
            signed_in_before="",
        ),
    )
    attempt.note(request, services, Step.AUTHORIZE, purpose="account")
    location = f"{pages.base_path(request)}/oauth/sign-in?txn={handle}"
    response = RedirectResponse(location, 303, headers={"Cache-Control": "no-store"})
    browser.keep_browser_cookie(response, services, secret)
    return response


async def _page(request: Request, services: Services, session: UserSession, done: str) -> Response:
    grants = await services.grants.of_user(session.subject)
    shown = grants[:MAX_SHOWN]
    usages = await services.usage.of([grant.grant_id for grant in shown])
    values = {
        "base": pages.base_path(request),
        "csrf": browser.form_token(services, "account", "", session.session_id),
        "username": session.username,
        "apps": [await _app(services, grant, usage) for grant, usage in zip(shown, usages, strict=True)],
        "more": max(len(grants) - MAX_SHOWN, 0),
        "said": _SAID.get(done, ""),
    }
    return pages.render("account.html", values)


async def _app(services: Services, grant: GrantSummary, usage: Usage) -> Mapping[str, object]:
    client = await services.clients.find(grant.client_id)
    remembered = await services.remembered.is_remembered(grant)
    reach = expand(grant.scopes)
    used = expand(name for name in usage.scopes if name in SCOPES)
    return {
        "grant_id": grant.grant_id,
        "name": (client.name if client else "") or "An app without a name",
        "pre_registered": client is not None and client.by_operator,
        "described_by": host_of(client.client_id) if client and client.by_document else "",
        "hosts": sorted({display_host(uri) for uri in client.redirect_uris}) if client else [],
        "scopes": [(scope, name in used) for name, scope in SCOPES.items() if name in reach],
        "unused": bool(usage.last) and bool(reach - used) and bool(reach & used),
        "tools": sorted(usage.tools.items(), key=lambda each: (-each[1], each[0])),
        "first_use": "" if usage.first is None else _day(usage.first),
        "last_use": "" if usage.last is None else _day(usage.last),
        "chart": chart_of(usage.days),
        "vals": len(grant.vals),
        "remembered": remembered,
        "since": _day(grant.created_at),
        "renewed": "" if grant.used_at is None else _day(grant.used_at),
        "until": _day(grant.expires_at),
    }


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _back(request: Request, done: str) -> Response:
    query = f"?done={done}" if done else ""
    location = f"{pages.base_path(request)}/account{query}"
    return RedirectResponse(location, 303, headers={"Cache-Control": "no-store"})
