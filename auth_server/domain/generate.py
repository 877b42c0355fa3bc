"""Every secret this server makes: 256 random bits behind a prefix that secret scanners can find."""

import hashlib
import secrets

from shared.sealing import base64url

_SECRET_BYTES = 32
_ID_BYTES = 16

AUTHORIZATION_CODE = "vtac_"
REFRESH_TOKEN = "vtr_"
CLIENT_ID = "client_"
CLIENT_SECRET = "vtcs_"
BROWSER_COOKIE = "vtbr_"
REGISTRATION_TOKEN = "vtrt_"
SESSION = "vtss_"
TRANSACTION = "vttx_"


def secret(prefix: str) -> str:
    """Return a new secret with the given prefix and 256 random bits."""
    return prefix + base64url(secrets.token_bytes(_SECRET_BYTES))


def client_id() -> str:
    """Return a new client identifier; its prefix keeps it apart from every subject (RFC 9700, 4.15)."""
    return CLIENT_ID + base64url(secrets.token_bytes(_ID_BYTES))


def grant_id() -> str:
    """Return a new grant identifier: 128 random bits, no secret."""
    return base64url(secrets.token_bytes(_ID_BYTES))


def token_id() -> str:
    """Return a new `jti` (RFC 7519 section 4.1.7)."""
    return base64url(secrets.token_bytes(_ID_BYTES))


def digest(value: str) -> str:
    """Return the hash under which a secret of 128 bits or more is kept: SHA-256, base64url.

    Such a secret needs no slow hash, and a slow one would make the token endpoint easy to exhaust.
    """
    return base64url(hashlib.sha256(value.encode("utf-8")).digest())
