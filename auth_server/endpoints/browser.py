"""What ties a page to one browser: its cookie, its session, and the token in its forms."""

import hmac
from collections.abc import Collection
from hashlib import sha256
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from auth_server.domain import generate
from auth_server.domain.approval import open_session_credential
from auth_server.endpoints.pages import PageProblemError
from auth_server.models import PendingAuthorization, UserSession
from auth_server.services import Services
from auth_server.store.base import PENDING_SECONDS, SESSION_SECONDS
from shared.audit import acting
from shared.flows.steps import Reason
from shared.logs import get_logger
from shared.refusals.pages import FOREIGN_FORM, STALE_PAGE
from shared.sealing import UnsealError, base64url

_log = get_logger("oauth:session")
_MAX_COOKIE = 200


def browser_cookie(request: Request, services: Services) -> str | None:
    """Return the secret of this browser, None before its first authorization request."""
    return _cookie(request, services, "browser")


def ensure_browser_cookie(request: Request, services: Services) -> str:
    """Return the secret of this browser, a new one when it has none; `keep_browser_cookie` sends it."""
    return browser_cookie(request, services) or generate.secret(generate.BROWSER_COOKIE)


def keep_browser_cookie(response: Response, services: Services, secret: str) -> None:
    """Set the browser's cookie for as long as a pending authorization lives."""
    _set_cookie(response, services, "browser", secret, PENDING_SECONDS)


async def session_of(request: Request, services: Services) -> UserSession | None:
    """Return the session of the person signed in with this browser, if that person is still admitted.

    One whose credential does not open is none: signing in again mends it.
    """
    session_id = _cookie(request, services, "session")
    session = None if session_id is None else await services.sessions.find(session_id)
    if session is None or not services.admission.admits_session(session):
        return None
    try:
        open_session_credential(services.sealer, session)
    except UnsealError as error:
        _log.error("session does not open", subject=session.subject, reason=str(error))
        return None
    acting.learn(subject=session.subject)
    return session


def keep_session_cookie(response: Response, services: Services, session_id: str) -> None:
    """Set the session's cookie."""
    _set_cookie(response, services, "session", session_id, SESSION_SECONDS)


async def pending_of(request: Request, services: Services, handle: str | None) -> PendingAuthorization:
    """Return the pending authorization that this browser began.

    Raises:
        PageProblemError: it is over, was answered, or began in another browser.
        TemporarilyUnavailable: this replica lacks its store's keys, and would seal what no other can open.
    """
    services.keyring.active()
    secret = browser_cookie(request, services)
    if handle and secret:
        pending = await services.pending.find(handle, generate.digest(secret))
        if pending is not None:
            acting.learn(client_id=pending.client_id)
            return pending
    raise stale_page()


def stale_page() -> PageProblemError:
    """Return the problem of a page that cannot be used any more."""
    return PageProblemError(
        "This page is over",
        "It was answered already, is older than ten minutes, or was opened in another browser. "
        "Go back to the app and connect again.",
        status=STALE_PAGE.status,
        reason=Reason.STALE_PAGE,
    )


def form_token(services: Services, page: str, handle: str, secret: str) -> str:
    """Return the token of one page's form, bound to the request and to this browser's cookie or session."""
    return form_tokens(services, page, handle, secret)[0]


def form_tokens(services: Services, page: str, handle: str, secret: str) -> tuple[str, ...]:
    """Return what `form_token` gives now, then what it gave before the encryption key was changed."""
    message = "\0".join((page, handle, secret)).encode()
    keys = services.sealer.derive_each("form-token")
    return tuple(base64url(hmac.new(key, message, sha256).digest()) for key in keys)


def check_form_token(request: Request, expected: Collection[str], sent: str | None) -> None:
    """Refuse a form that another site posted.

    Raises:
        PageProblemError: it carries none of this page's tokens, or the browser says it comes from elsewhere.
    """
    from_elsewhere = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    given = (sent or "").encode()
    if from_elsewhere or not any(hmac.compare_digest(token.encode(), given) for token in expected):
        raise PageProblemError(
            "This form cannot be accepted",
            "It does not belong to the page you see, or you signed in as somebody else meanwhile. "
            "Go back to the app and connect again.",
            status=FOREIGN_FORM.status,
            reason=Reason.FOREIGN_FORM,
        )


def _cookie_name(services: Services, name: str) -> str:
    # The __Host- prefix needs https; plain names serve this computer only (RFC 6265bis section 4.1.3.2).
    https = urlsplit(services.settings.oauth_issuer_url).scheme == "https"
    return f"__Host-vt_{name}" if https else f"vt_{name}"


def _cookie(request: Request, services: Services, name: str) -> str | None:
    value = request.cookies.get(_cookie_name(services, name))
    return value if value and len(value) <= _MAX_COOKIE else None


def _set_cookie(response: Response, services: Services, name: str, value: str, seconds: int) -> None:
    cookie_name = _cookie_name(services, name)
    response.set_cookie(
        cookie_name,
        value,
        max_age=seconds,
        path="/",
        secure=cookie_name.startswith("__Host-"),
        httponly=True,
        samesite="lax",
    )
