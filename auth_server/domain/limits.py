"""What may not happen too often. None of these stops somebody who has the right secret.

Guessing 256 random bits does not succeed at any pace; the limits keep the guesses from costing much, and let
an operator see them. They count only what failed, each for one client, grant or page.
"""

from shared.rate_limit import Limit

WRONG_SECRETS = Limit("secret", burst=20, per_hour=1200)
"""Per client: secrets that are not its own (OAuth 2.1 section 2.4.1)."""

WRONG_REDEMPTIONS = Limit("redemption", burst=20, per_hour=1200)
"""Per grant: its code presented with something wrong, such as the verifier. It stays good for its owner."""

WRONG_REGISTRATION_TOKENS = Limit("registration-token", burst=20, per_hour=1200)
"""Per client: registration access tokens that are not its own."""

SIGN_IN_ATTEMPTS = Limit("sign-in", burst=10, per_hour=60)
"""Per pending authorization: API tokens tried on one page, the right one included."""

REFUSED_SIGN_INS = Limit("refused-sign-in", burst=100, per_hour=100)
"""Per client: API tokens that Val Town refused."""

HEALINGS = Limit("healing", burst=1000, per_hour=3600)
"""One bucket for all: refresh tokens whose record a failover lost. It loses no more than seconds of them."""

NEW_DOCUMENTS = Limit("client-document", burst=600, per_hour=1800)
"""One bucket for all: documents of clients that are not known yet, fetched on anybody's word."""


def registrations(burst: int, per_hour: int) -> Limit:
    """Return the limit of new registrations, one bucket for all; a KiB of metadata takes a token."""
    return Limit("registration", burst, per_hour)
