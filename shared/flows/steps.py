"""What may stand in a timeline: steps, reasons and facts from closed lists, and the id it is found by."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

FLOW_SECONDS: Final = 86_400
"""How long an attempt is remembered, from its first step on."""

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 12
_READ_AS: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})
_PREFIX: Final = "flow-"


class Step(StrEnum):
    """What happened."""

    AUTHORIZE = "authorize"
    SIGN_IN_PAGE = "sign_in_page"
    SIGN_IN_REFUSED = "sign_in_refused"
    SENT_TO_VAL_TOWN = "sent_to_val_town"
    BACK_FROM_VAL_TOWN = "back_from_val_town"
    SIGNED_IN = "signed_in"
    CONSENT_PAGE = "consent_page"
    APPROVED = "approved"
    DENIED = "denied"
    CODE_SENT = "code_sent"
    PAGE_REFUSED = "page_refused"
    TOKENS_ISSUED = "tokens_issued"
    TOKEN_REFUSED = "token_refused"
    REFRESHED = "refreshed"
    REFRESH_REFUSED = "refresh_refused"
    MCP_CALLED = "mcp_called"
    MCP_REFUSED = "mcp_refused"
    REVOKED = "revoked"


class Reason(StrEnum):
    """Why it went that way. What is none of these is recorded as `other`."""

    OTHER = "other"
    # Of the authorization request; the OAuth codes are those the client is told.
    UNKNOWN_CLIENT = "unknown_client"
    CLIENT_DOCUMENT = "client_document"
    REDIRECT_URI = "redirect_uri"
    NO_REDIRECT_URI = "no_redirect_uri"
    REPEATED_PARAMETER = "repeated_parameter"
    CODE_CHALLENGE = "code_challenge"
    INVALID_REQUEST = "invalid_request"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported"
    INVALID_TARGET = "invalid_target"
    INVALID_SCOPE = "invalid_scope"
    INVALID_GRANT = "invalid_grant"
    INVALID_CLIENT = "invalid_client"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    LOGIN_REQUIRED = "login_required"
    # Of pages.
    STALE_PAGE = "stale_page"
    FOREIGN_FORM = "foreign_form"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    SERVER_ERROR = "server_error"
    NO_DECISION = "no_decision"
    REMEMBERED = "remembered"
    # Of signing in.
    NO_API_TOKEN = "no_api_token"
    API_TOKEN_REFUSED = "api_token_refused"
    NOT_ADMITTED = "not_admitted"
    WRONG_ISSUER = "wrong_issuer"
    VAL_TOWN_SAID_NO = "val_town_said_no"
    # Of the client's proof at the token endpoint.
    CLIENT_SECRET = "client_secret"
    SECRET_NOT_EXPECTED = "secret_not_expected"
    CLIENT_ASSERTION = "client_assertion"
    # Of a code or a refresh token: the outcomes of `Redemption` and `Rotation`.
    UNKNOWN = "unknown"
    WRONG_CLIENT = "wrong_client"
    WRONG_REDIRECT_URI = "wrong_redirect_uri"
    WRONG_VERIFIER = "wrong_verifier"
    CODE_VERIFIER = "code_verifier"
    REUSED = "reused"
    EXPIRED = "expired"
    GRANT_REVOKED = "revoked"
    AHEAD = "ahead"
    REPEATED = "repeated"
    # Of a revocation.
    BY_CLIENT = "by_client"
    BY_PERSON = "by_person"
    BY_OPERATOR = "by_operator"


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that may stand beside a step, and how many characters of it."""

    name: str
    longest: int


FACTS: Final = {
    fact.name: fact
    for fact in (
        Fact("client_id", 200),
        Fact("client_name", 80),
        Fact("redirect_to", 100),
        Fact("redirect_kind", 16),
        Fact("told", 8),
        Fact("purpose", 8),
        Fact("scope", 240),
        Fact("vals", 6),
        Fact("way", 16),
        Fact("page", 16),
        Fact("grant_id", 22),
        Fact("client_auth", 24),
        Fact("status", 3),
    )
}
"""No secret, nothing of the person: no code, token, verifier, cookie, state, address, name or email."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of one attempt.

    Attributes:
        step: what happened.
        at: when, in milliseconds since the epoch, by the clock of the replica.
        replica: where.
        reason: why, when there is something to say.
        facts: see `FACTS`.
        times: how often in a row.
        last: when it happened last, in milliseconds since the epoch; 0 when it happened once.
    """

    step: Step
    at: int
    replica: str
    reason: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    last: int = 0


def flow_id(handle: str) -> str:
    """Return the id of the attempt whose secret handle is given: 60 bits of its hash, to be read aloud.

    Whoever has the handle has the id, also after everything else about the attempt is gone; nobody gets from
    the id to the handle.
    """
    number = int.from_bytes(hashlib.sha256(b"flow id\x00" + handle.encode()).digest()[:8])
    letters = "".join(_ALPHABET[(number >> 5 * place) & 31] for place in range(_LENGTH))
    return _spelled(letters)


def read_flow_id(text: str) -> str | None:
    """Return an id as it is spelled here from how somebody wrote it down, None when it is none.

    Crockford's base32: no matter which case, with or without hyphens; I and L are 1, O is 0.
    """
    plain = text.strip().upper().removeprefix(_PREFIX.upper().rstrip("-")).translate(_READ_AS)
    return _spelled(plain) if re.fullmatch(rf"[{_ALPHABET}]{{{_LENGTH}}}", plain) else None


def _spelled(letters: str) -> str:
    return _PREFIX + "-".join(letters[start : start + 4] for start in range(0, _LENGTH, 4))
