"""How access tokens are signed, and when a key may sign: what both services agree on (RFC 7515, 7517)."""

from typing import Final

from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from shared.oauth.access_token import LEEWAY, SIGNING_ALGORITHMS

SignatureKey = RSAKey | ECKey | OKPKey

JWKS_MAX_AGE: Final = 30
"""Seconds anybody may keep the JWK Set."""

REFETCH_SECONDS: Final = 30
"""A resource server asks for the JWK Set no more often than this, whatever keys tokens name."""

PUBLISHED_BEFORE_USE: Final = JWKS_MAX_AGE + REFETCH_SECONDS
"""Seconds a key is published before it signs: then everybody has it, or may ask for it."""

RELOAD_SECONDS: Final = 2
"""How far a replica of auth_server lags behind the store."""

PUBLISHED_AFTER_USE: Final = 2 * LEEWAY + 5 * RELOAD_SECONDS
"""Seconds a key stays published beyond the life of the last token it can have signed."""

MAX_PUBLISHED: Final = 48
"""Keys in the JWK Set at the most; a resource server of ours reads more."""


class _Registry(JWSRegistry):
    """joserfc's, without its warning about the name EdDSA (RFC 9864): many verifiers know no other."""

    def get_alg(self, name: str) -> JWSAlgModel:
        """Return a signature algorithm that is allowed here.

        Raises:
            UnsupportedAlgorithmError: it is not.
        """
        if name not in SIGNING_ALGORITHMS:
            raise UnsupportedAlgorithmError(f"Algorithm {name!r} is not allowed")
        return self.algorithms[name]


REGISTRY: Final = _Registry(algorithms=list(SIGNING_ALGORITHMS))
"""For `joserfc.jwt` and `joserfc.jws`."""
