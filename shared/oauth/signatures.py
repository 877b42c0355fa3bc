"""How access tokens are signed, and when a key may sign: what both services agree on (RFC 7515, 7517)."""

from collections.abc import Sequence
from typing import Final

from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from shared.oauth.access_token import LEEWAY, MAX_LIFETIME, SIGNING_ALGORITHMS

SignatureKey = RSAKey | ECKey | OKPKey

JWKS_MAX_AGE: Final = 30
"""Seconds anybody may keep the JWK Set."""

REFETCH_SECONDS: Final = 30
"""A resource server asks for the JWK Set no more often than this, whatever keys tokens name."""

UNKNOWN_SECONDS: Final = 40
"""A resource server remembers for so long that the issuer did not know a key; no shorter than the above."""

RELOAD_SECONDS: Final = 2
"""How often a replica of auth_server looks at the store."""

PUBLISHED_BEFORE_USE: Final = 2 * RELOAD_SECONDS + JWKS_MAX_AGE + UNKNOWN_SECONDS
"""Seconds a key is published before it signs.

Then everybody has it, or may ask for it: after all replicas and caches have it, nobody is kept from asking by
an answer of before, whoever provoked it.
"""

SIGNS_UNSEEN_SECONDS: Final = 30
"""A replica that has not seen the keys of the store for so long signs nothing: its key may be over."""

PUBLISHED_AFTER_USE: Final = 2 * LEEWAY + SIGNS_UNSEEN_SECONDS
"""Seconds a key stays published beyond the life of the last token it can have signed."""

JWKS_STALE_SECONDS: Final = 86_400
"""A resource server whose issuer is down trusts the keys it has for so long."""

REVOKED_SECONDS: Final = max(MAX_LIFETIME, JWKS_STALE_SECONDS) + 2 * LEEWAY
"""A revoked key is refused for so long: its thief makes tokens while anybody still trusts its public half."""

MAX_PUBLISHED: Final = 48
"""Keys in the JWK Set at the most; a resource server of ours reads more."""


class Registry(JWSRegistry):
    """joserfc's, without its warning about the name EdDSA (RFC 9864): many verifiers know no other."""

    def __init__(self, algorithms: Sequence[str]) -> None:
        """Take the names of the algorithms that are allowed."""
        super().__init__(algorithms=list(algorithms))
        self._allowed = frozenset(algorithms)

    def get_alg(self, name: str) -> JWSAlgModel:
        """Return a signature algorithm that is allowed here.

        Raises:
            UnsupportedAlgorithmError: it is not.
        """
        if name not in self._allowed:
            raise UnsupportedAlgorithmError(f"Algorithm {name!r} is not allowed")
        return self.algorithms[name]


REGISTRY: Final = Registry(SIGNING_ALGORITHMS)
"""For `joserfc.jwt` and `joserfc.jws`."""
