"""The keyring: which key signs, which keys are published (RFC 7517, RFC 8414 section 2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from joserfc.jwk import RSAKey

from shared.oauth.errors import TemporarilyUnavailable

RSA_BITS = 2048
ALGORITHM = "RS256"


class KeyState(StrEnum):
    """Where a key is in its life."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair of ours. `since` is when it got its state, in seconds since the epoch."""

    key: RSAKey
    kid: str
    state: KeyState
    since: float
    algorithm: str = ALGORITHM

    def public_jwk(self) -> dict[str, Any]:
        """Return the public JWK (RFC 7517 section 4)."""
        return {**self.key.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def pem(self) -> bytes:
        """Return the private key as PEM, to be sealed."""
        return self.key.as_pem(private=True)


def from_pem(pem: str | bytes, *, state: KeyState, since: float) -> SigningKey:
    """Return the key in a PEM; its `kid` is the JWK thumbprint (RFC 7638), the same on every replica."""
    key = RSAKey.import_key(pem)
    return SigningKey(key=key, kid=key.thumbprint(), state=state, since=since)


def generate_key(*, state: KeyState, since: float) -> SigningKey:
    """Return a new RSA key."""
    key = RSAKey.generate_key(RSA_BITS, auto_kid=False)
    return SigningKey(key=key, kid=key.thumbprint(), state=state, since=since)


class Keyring:
    """The keys of this replica's last look at the store; replaced as a whole."""

    def __init__(self) -> None:
        """Start empty: nothing is signed or published until keys were loaded."""
        self._active: SigningKey | None = None
        self._published: tuple[SigningKey, ...] = ()

    def replace(self, keys: Iterable[SigningKey]) -> None:
        """Take what the store holds now. A set without an active key is ignored: the old one goes on."""
        keys = tuple(keys)
        active = next((key for key in keys if key.state is KeyState.ACTIVE), None)
        if active is not None:
            self._active = active
            self._published = keys

    def clear(self) -> None:
        """Forget every key."""
        self._active = None
        self._published = ()

    @property
    def is_loaded(self) -> bool:
        """Whether there is a key to sign with."""
        return self._active is not None

    def active(self) -> SigningKey:
        """Return the key that signs.

        Raises:
            TemporarilyUnavailable: no key was loaded yet.
        """
        if self._active is None:
            raise TemporarilyUnavailable("The signing keys are not loaded yet.")
        return self._active

    def find(self, kid: str) -> SigningKey | None:
        """Return the published key with this id."""
        return next((key for key in self._published if key.kid == kid), None)

    def jwks(self) -> dict[str, object]:
        """Return the JWK Set of every published key.

        Raises:
            TemporarilyUnavailable: no key was loaded yet.
        """
        self.active()
        return {"keys": [key.public_jwk() for key in self._published]}
