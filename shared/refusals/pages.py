"""Refusals that the authorization server shows to the person, as a page."""

from shared.oauth.errors import ServerError, TemporarilyUnavailable, TooManyRequests
from shared.refusals.refusal import CACHE_CONTROL, RETRY_AFTER, Refusal, Remedy


def _page(status: int, where: str, when: str, remedy: Remedy, *headers: str) -> Refusal:
    return Refusal(None, status, where, when, remedy, (*headers, CACHE_CONTROL))


UNTRUSTED_REDIRECT = _page(
    400, "authorize", "the client is unknown, or the redirect URI is not one of its own", Remedy.REGISTER
)
STALE_PAGE = _page(
    400,
    "sign-in, consent",
    "the page was answered, is older than ten minutes, or was opened in another browser",
    Remedy.ASK_AGAIN,
)
SIGN_IN_REFUSED = _page(
    400, "sign-in", "the Val Town token is missing, malformed or refused: the form once more", Remedy.SHOW
)
NO_DECISION = _page(
    400, "consent", "neither allowed nor refused, or no permission ticked: the form once more", Remedy.SHOW
)
FOREIGN_FORM = _page(
    403, "sign-in, consent", "the form does not belong to this browser's page", Remedy.ASK_AGAIN
)
NOT_ADMITTED = _page(403, "sign-in", "the operator does not let this account in", Remedy.SHOW)
TOO_MANY_ATTEMPTS = _page(
    TooManyRequests.status, "sign-in", "too many tokens that did not work", Remedy.WAIT, RETRY_AFTER
)
UNAVAILABLE_PAGE = _page(
    TemporarilyUnavailable.status,
    "every page",
    "the store, the signing keys or Val Town cannot be reached",
    Remedy.WAIT,
    RETRY_AFTER,
)
BROKEN_PAGE = _page(ServerError.status, "every page", "a fault of ours that nobody foresaw", Remedy.SHOW)

PAGES = (
    UNTRUSTED_REDIRECT,
    STALE_PAGE,
    SIGN_IN_REFUSED,
    NO_DECISION,
    FOREIGN_FORM,
    NOT_ADMITTED,
    TOO_MANY_ATTEMPTS,
    UNAVAILABLE_PAGE,
    BROKEN_PAGE,
)
"""Pages without a row of their own: a form that cannot be read has the status of its OAuth error."""
