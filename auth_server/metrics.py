"""What the authorization server counts beside what both services do (`shared.metrics`)."""

from collections.abc import Iterator
from typing import Final

from auth_server.store.base import Redemption, Rotation
from shared.oauth.errors import OAuthError
from shared.series import Counts, Levels

UNTRUSTED: Final = "untrusted_redirect"
"""Of a request that is answered with a page, because its redirect URI is not the client's."""

PAGE: Final = "page"
"""Of a person who is told on a page what to do next."""

NOT_FOUND: Final = "not_found"
WRONG_METHOD: Final = "method_not_allowed"


def _codes(kind: type[OAuthError] = OAuthError) -> Iterator[str]:
    yield kind.error
    for narrower in kind.__subclasses__():
        yield from _codes(narrower)


REFUSALS: Final = Counts(
    "oauth_refusals_total",
    "Refusals by endpoint, with the code that the client or the person was told.",
    {"endpoint": None, "reason": (*sorted({*_codes()}), UNTRUSTED, PAGE, NOT_FOUND, WRONG_METHOD)},
)
TOKENS: Final = Counts(
    "oauth_tokens_issued_total",
    "Answers of the token endpoint with an access token.",
    {"grant_type": ("authorization_code", "refresh_token")},
)
CODES: Final = Counts(
    "oauth_code_redemptions_total",
    "Authorization codes that were presented; unknown: their grant is over or never was.",
    {"outcome": tuple(Redemption)},
)
REFRESHES: Final = Counts(
    "oauth_refreshes_total",
    "Refresh tokens that were presented; unknown: their grant is over or never was.",
    {"outcome": tuple(Rotation)},
)
REVOCATIONS: Final = Counts(
    "oauth_grant_revocations_total",
    "Grants that ended before their time.",
    {
        "reason": (
            "account_not_admitted",
            "client_removed",
            "code_reused",
            "refresh_token_reused",
            "revoked_by_client",
            "revoked_by_operator",
            "revoked_by_person",
        )
    },
)
REGISTRATIONS: Final = Counts(
    "oauth_registrations_total",
    "Registrations that were accepted; shared: an identical one was there already.",
    {"outcome": ("new", "shared")},
)
DOCUMENT_FETCHES: Final = Counts(
    "oauth_client_document_fetches_total",
    "Fetches of documents and key sets of clients, by how they ended.",
    {"outcome": ("ok", "slow", "unavailable", "no_document", "busy_here", "cancelled")},
)
SIGNING_KEYS: Final = Levels(
    "oauth_signing_keys_loaded", "1 when this replica has keys to sign with, 0 when it has none."
)
