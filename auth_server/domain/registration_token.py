"""Registration access tokens (RFC 7592 section 3): recognised by a MAC, so that nothing is kept of them."""

import hmac
import secrets
from hashlib import sha256

from auth_server.domain import generate
from shared.sealing import Sealer, base64url, from_base64url

_PURPOSE = "registration-access-token"
_RANDOM_BYTES = 16
_MAC_BYTES = 32
_LENGTH = len(generate.REGISTRATION_TOKEN) + 64


class RegistrationTokens:
    """Makes and recognises tokens. A client may have many: each registration that shares it gets its own."""

    def __init__(self, sealer: Sealer) -> None:
        """Take what keys are derived from: a token is good while the key it was made with is in the ring."""
        self._keys = sealer.derive_each(_PURPOSE)

    def make(self, client_id: str) -> str:
        """Return a new token of a client: 128 random bits, and a MAC over them and the client."""
        random = secrets.token_bytes(_RANDOM_BYTES)
        return generate.REGISTRATION_TOKEN + base64url(random + _mac(self._keys[0], client_id, random))

    def belongs(self, token: str, client_id: str) -> bool:
        """Return whether a token was made here for a client."""
        if len(token) != _LENGTH or not token.startswith(generate.REGISTRATION_TOKEN):
            return False
        try:
            raw = from_base64url(token.removeprefix(generate.REGISTRATION_TOKEN))
        except ValueError:
            return False
        random, mac = raw[:_RANDOM_BYTES], raw[_RANDOM_BYTES:]
        return any(hmac.compare_digest(mac, _mac(key, client_id, random)) for key in self._keys)


def _mac(key: bytes, client_id: str, random: bytes) -> bytes:
    return hmac.new(key, random + client_id.encode(), sha256).digest()
