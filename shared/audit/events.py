"""What may stand in the audit log: events, outcomes and reasons, from closed lists."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from shared.flows.steps import Reason
from shared.oauth.errors import OAuthError


class Event(StrEnum):
    """What was decided."""

    # Of auth_server.
    CLIENT_REGISTERED = "client_registered"
    CLIENT_READ = "client_read"
    CLIENT_CHANGED = "client_changed"
    CLIENT_CLOSED = "client_closed"
    AUTHORIZATION_REQUESTED = "authorization_requested"
    SIGNED_IN = "signed_in"
    CONSENT_GIVEN = "consent_given"
    TOKEN_ISSUED = "token_issued"
    TOKEN_REVOKED = "token_revoked"
    TOKEN_INTROSPECTED = "token_introspected"
    GRANT_REVOKED = "grant_revoked"
    GRANT_NARROWED = "grant_narrowed"
    ACCOUNT_SHOWN = "account_shown"
    # Of mcp_server.
    CREDENTIAL_CHECKED = "credential_checked"
    REQUEST_READ = "request_read"
    SCOPE_CHECKED = "scope_checked"
    TOOL_CALLED = "tool_called"
    RESOURCE_READ = "resource_read"
    PROMPT_GOT = "prompt_got"
    # Of the operator.
    KEY_ROTATED = "key_rotated"
    KEY_REVOKED = "key_revoked"
    SECRETS_RESEALED = "secrets_resealed"
    # Of the log itself.
    OPENED = "opened"
    GAP = "gap"
    PRUNED = "pruned"
    CONTINUED = "continued"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How it went."""

    ALLOWED = "allowed"
    DENIED = "denied"
    FAILED = "failed"


class Why(StrEnum):
    """Reasons beside those of timelines and the OAuth codes."""

    # How a call ended.
    TOOL_ERROR = "tool_error"
    ASKED = "asked"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    # Of a credential at mcp_server.
    NO_CREDENTIALS = "no_credentials"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    NOT_VALID_YET = "not_valid_yet"
    CLAIMS = "claims"
    KEYS_UNAVAILABLE = "keys_unavailable"
    REVOCATION_UNKNOWN = "revocation_unknown"
    # Of a request there.
    UNREADABLE = "unreadable"
    WRONG_TARGET = "wrong_target"
    FOREIGN_ORIGIN = "foreign_origin"
    WRONG_HOST = "wrong_host"
    # Of a grant's end.
    CLIENT_REMOVED = "client_removed"
    ACCOUNT_NOT_ADMITTED = "account_not_admitted"
    CODE_REUSED = "code_reused"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"
    REVOKED_BY_CLIENT = "revoked_by_client"
    REVOKED_BY_OPERATOR = "revoked_by_operator"
    REVOKED_BY_PERSON = "revoked_by_person"
    # Of a registration, an introspection.
    SHARED = "shared"
    INACTIVE = "inactive"
    # How somebody signed in, what a token was issued for.
    API_TOKEN = "api_token"
    VAL_TOWN = "val_town"
    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"
    ROTATED = "rotated"


def _codes(kind: type[OAuthError] = OAuthError) -> Iterator[str]:
    yield kind.error
    for narrower in kind.__subclasses__():
        yield from _codes(narrower)


REASONS: Final = frozenset({*Reason, *Why, *_codes()})
"""Every reason; what is none of these is recorded as `other`."""

BY_ANYBODY: Final = frozenset({Event.AUTHORIZATION_REQUESTED})
"""What a stranger can make happen as often as they like, also where it is allowed."""
