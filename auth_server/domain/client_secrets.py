"""Client secrets: kept as hashes, compared in constant time."""

import hmac

from auth_server.domain import generate
from auth_server.models import Client

MAX_LENGTH = 512
"""Longer input is refused before it is hashed."""


def verify(client: Client, secret: str) -> bool:
    """Return whether a confidential client's secret is right; a public client has none that could be."""
    if client.secret_hash is None or len(secret) > MAX_LENGTH:
        return False
    return hmac.compare_digest(client.secret_hash, generate.digest(secret))
