"""The one place where refusals become HTTP: JSON, a redirect to the client, or a page for the person."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Scope

from auth_server.domain.authorization_request import TrustedRedirect, UntrustedRedirectError
from auth_server.endpoints import attempt, decisions, pages
from auth_server.metrics import PAGE, REFUSALS, UNTRUSTED
from shared.key_check import StoreEmptiedError, WrongEncryptionKeyError
from shared.logs import get_logger
from shared.oauth.errors import (
    InvalidClient,
    InvalidRequest,
    InvalidToken,
    OAuthError,
    ServerError,
    TemporarilyUnavailable,
    TooManyRequests,
)
from shared.redis.client import StoreError
from shared.refusals.pages import UNTRUSTED_REDIRECT
from shared.refusals.transport import NOT_FOUND, OVERLOADED, WRONG_METHOD
from shared.sealing import UnsealError
from shared.web.limits import RequestRefusedError
from shared.web.request_id import route_of

_log = get_logger("oauth:error")
_PAGES = (
    "/oauth/authorize",
    "/oauth/sign-in",
    "/oauth/consent",
    "/oauth/callback/val-town",
    "/account",
    "/account/narrow",
    "/account/revoke",
    "/account/revoke-all",
    "/account/sign-out",
)
_WAIT = (
    "There were too many attempts with tokens that did not work. Wait a few minutes, "
    "or go back to the app and connect again."
)
_LATER = "Wait a moment, then load this page again."
_REASONS = {
    NOT_FOUND.status: (NOT_FOUND.code, "There is nothing at this URL."),
    WRONG_METHOD.status: (WRONG_METHOD.code, "Wrong method."),
}


async def _on_refusal(request: Request, error: OAuthError) -> Response:
    return answer(request, error)


async def _on_untrusted_redirect(request: Request, error: UntrustedRedirectError) -> Response:
    _log.info("authorization request refused", reason=error.reason)
    attempt.note_refusal(request, error.code)
    REFUSALS.inc(route_of(request.scope), UNTRUSTED)
    return pages.problem(
        request, "This app cannot be connected", error.reason, status=UNTRUSTED_REDIRECT.status
    )


async def _on_page_problem(request: Request, error: pages.PageProblemError) -> Response:
    attempt.note_refusal(request, error.reason)
    REFUSALS.inc(route_of(request.scope), PAGE)
    return pages.problem(request, error.title, error.text, status=error.status, sign_in=error.sign_in)


async def _on_unreadable(request: Request, error: RequestRefusedError) -> Response:
    return answer(request, InvalidRequest(error.reason, status=error.status))


async def _on_store_fault(request: Request, error: Exception) -> Response:
    _log.error("store fault", reason=f"{type(error).__name__}: {error}")
    return answer(request, TemporarilyUnavailable("The store does not answer. Try again in a moment."))


async def _on_sealed(request: Request, error: Exception) -> Response:
    _log.error("the store cannot be read", reason=str(error))
    return answer(request, TemporarilyUnavailable("A stored value cannot be read."))


async def _on_http(request: Request, error: HTTPException) -> Response:
    code, text = _REASONS.get(error.status_code, (InvalidRequest.error, "The request is refused."))
    body = {"error": code, "error_description": text}
    REFUSALS.inc(route_of(request.scope), str(code))
    return JSONResponse(body, error.status_code, headers=error.headers)


_HANDLERS: Final[Mapping[type[Exception], Callable[[Request, Any], Awaitable[Response]]]] = {
    OAuthError: _on_refusal,
    UntrustedRedirectError: _on_untrusted_redirect,
    pages.PageProblemError: _on_page_problem,
    RequestRefusedError: _on_unreadable,
    StoreError: _on_store_fault,
    UnsealError: _on_sealed,
    WrongEncryptionKeyError: _on_sealed,
    StoreEmptiedError: _on_sealed,
    HTTPException: _on_http,
}


def add_error_handlers(app: FastAPI) -> None:
    """Turn every exception an endpoint may raise into an answer."""
    for kind, handler in _HANDLERS.items():
        app.exception_handler(kind)(handler)


async def answer_raised(request: Request, error: Exception) -> Response:
    """Return the answer to what an endpoint raised that FastAPI does not route.

    Raises:
        Exception: the error itself, when nobody foresaw it.
    """
    handler = next((_HANDLERS[kind] for kind in type(error).__mro__ if kind in _HANDLERS), None)
    if handler is None:
        raise error
    return await handler(request, error)


def answer_bug(scope: Scope) -> Response:
    """Return the answer to what nobody foresaw."""
    return answer(Request(scope), ServerError("Something went wrong here. It has been logged."))


def answer_overload(path: str) -> Response:
    """Return the answer to one request too many: cheap, so that it helps."""
    if path.endswith(_PAGES):
        return PlainTextResponse("Too many requests at once. " + _LATER, OVERLOADED.status)
    error = TemporarilyUnavailable("Too many requests at once. Try again in a moment.")
    return JSONResponse(error.members(), OVERLOADED.status)


def answer(request: Request, error: OAuthError) -> Response:
    """Return an error as a page where people are, and as JSON where programs are (RFC 6749 section 5.2)."""
    REFUSALS.inc(route_of(request.scope), error.error)
    if request.scope["path"].endswith(_PAGES):
        return _page(request, error)
    decisions.refused(request, request.app.state.services, decisions.reason_of(error))
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, InvalidClient):
        # RFC 9110 section 11.6.1 wants a challenge on every 401; RFC 6749 section 5.2 names this one.
        headers["WWW-Authenticate"] = 'Basic realm="oauth"'
    elif isinstance(error, InvalidToken):
        # RFC 6750 section 3, for registration access tokens.
        headers["WWW-Authenticate"] = f'Bearer realm="oauth", error="{error.error}"'
    return JSONResponse(error.members(), error.status, headers=headers)


def _page(request: Request, error: OAuthError) -> Response:
    status, retry_after = error.status, error.retry_after
    attempt.note_refusal(request, decisions.reason_of(error))
    match error:
        case TooManyRequests():
            return pages.problem(request, "Too many attempts", _WAIT, status=status, retry_after=retry_after)
        case TemporarilyUnavailable():
            title, advice = "Not available just now", _LATER
        case ServerError():
            title, advice = "That did not work", "Go back to the app and connect again."
        case _:
            title, advice = "That did not work", pages.NOTHING_CHANGED
    return pages.problem(
        request, title, error.description, status=status, advice=advice, retry_after=retry_after
    )


def redirect_error(redirect: TrustedRedirect, error: OAuthError, issuer: str) -> Response:
    """Return an error to the client by redirect (RFC 6749 section 4.1.2.1) with `iss` (RFC 9207)."""
    _log.info("authorization request refused", error=error.error, reason=error.description)
    REFUSALS.inc("/oauth/authorize", error.error)
    return redirect_back(redirect.redirect_uri, redirect.state, issuer, error.members())


def redirect_back(redirect_uri: str, state: str | None, issuer: str, members: dict[str, str]) -> Response:
    """Return a 303 to the client with the given members, its `state`, and `iss`.

    303, so that no browser posts the person's form to the client (RFC 9700 section 4.12).
    """
    if state is not None:
        members = {**members, "state": state}
    query = urlencode({**members, "iss": issuer})
    joint = "&" if "?" in redirect_uri else "?"
    headers = {"Cache-Control": "no-store"}
    return RedirectResponse(f"{redirect_uri}{joint}{query}", 303, headers=headers)
