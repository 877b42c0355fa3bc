"""What a row of the table says."""

from dataclasses import dataclass
from enum import Enum

from shared.oauth.errors import OAuthError

WWW_AUTHENTICATE = "WWW-Authenticate"
RETRY_AFTER = "Retry-After"
ALLOW = "Allow"
CACHE_CONTROL = "Cache-Control"

TOLD_HEADERS = (WWW_AUTHENTICATE, RETRY_AFTER, ALLOW, CACHE_CONTROL)
"""The headers a row lists: each is on the answer exactly when the row names it."""


class Remedy(Enum):
    """What a client does about a refusal; the same request again helps with `WAIT` alone."""

    FIX = "fix the request"
    REGISTER = "register again"
    ASK_AGAIN = "ask the person again"
    STEP_UP = "step up: ask for the scopes that the challenge names"
    WAIT = "wait and retry"
    SHOW = "show the person"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way in which a service refuses.

    `code`: in the body; None where the body is a page or has no code.
    `where`: the service or endpoint that answers so. `when`: what it was asked.
    """

    code: str | int | None
    status: int
    where: str
    when: str
    remedy: Remedy
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OAuthRefusal(Refusal):
    """One that is raised as an `OAuthError`, which has its code and status."""

    raised: type[OAuthError] = OAuthError


@dataclass(frozen=True, slots=True)
class RpcRefusal(Refusal):
    """One that is a JSON-RPC error; revisions that open with `initialize` have a status of their own."""

    code: int
    handshake_status: int = 200


def oauth_refusal(
    raised: type[OAuthError], where: str, when: str, remedy: Remedy, *headers: str
) -> OAuthRefusal:
    """Return the row of an OAuth error; `headers` come on top of Cache-Control."""
    return OAuthRefusal(
        raised.error, raised.status, where, when, remedy, (*headers, CACHE_CONTROL), raised=raised
    )
