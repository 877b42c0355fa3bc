"""The keyring: which key signs, which keys are published (RFC 7517, RFC 8414 section 2).

A key is `next` (published, signs nothing yet), `active` (signs), `retiring` (published for the tokens that it
signed) and then `gone`. The store moves them along; see `store.redis.keyring`.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc.jwk import ECKey, OKPKey, RSAKey
from pydantic_core import to_json

from auth_server.pem import load_private_key
from shared.oauth.access_token import TYP
from shared.oauth.errors import TemporarilyUnavailable
from shared.oauth.signatures import REGISTRY, SIGNS_UNSEEN_SECONDS, SignatureKey
from shared.sealing import base64url

RSA_BITS: Final = 2048

_PADDING: Final = padding.PKCS1v15()
_HASH: Final = hashes.SHA256()


class KeyState(StrEnum):
    """Where a key is in its life."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of a key beside its halves. Times are seconds since the epoch, None until set."""

    kid: str
    algorithm: str
    state: KeyState
    published_at: float
    due_at: float | None = None
    """When a next key becomes active; None: it stands by."""
    activated_at: float | None = None
    gone_at: float | None = None
    """When a retiring key goes, or a gone one went."""
    imported: bool = False
    """Whether it came from OAUTH_JWT_PRIVATE_KEY."""


@dataclass(frozen=True)
class KeyPair:
    """A key pair and its name: the JWK thumbprint (RFC 7638), the same on every replica."""

    key: SignatureKey
    kid: str
    algorithm: str

    @cached_property
    def _protected(self) -> str:
        """The header of every access token it signs, encoded (RFC 9068 section 2.1)."""
        header = {"alg": self.algorithm, "kid": self.kid, "typ": TYP}
        return base64url(to_json(header))

    @cached_property
    def _signer(self) -> Callable[[bytes], bytes]:
        """What makes the JWS signature of a signing input, with the key's algorithm (RFC 7518 section 3)."""
        private = self.key.private_key
        if self.algorithm == "RS256" and isinstance(private, RSAPrivateKey):
            # Section 3.3, as joserfc does it, which looks each time whether the key may sign.
            return lambda signed: private.sign(signed, _PADDING, _HASH)
        algorithm = REGISTRY.get_alg(self.algorithm)
        return lambda signed: algorithm.sign(signed, self.key)

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return an access token with these claims (RFC 7515 section 7.1).

        As joserfc would make it, without what is the same for every token: reading the header, choosing the
        algorithm and the key.
        """
        signed = f"{self._protected}.{base64url(to_json(claims))}"
        return f"{signed}.{base64url(self._signer(signed.encode('ascii')))}"

    def pem(self) -> bytes:
        """Return the private key as PEM, to be sealed."""
        return self.key.as_pem(private=True)

    def public_jwk(self) -> dict[str, Any]:
        """Return the public JWK (RFC 7517 section 4)."""
        return {**self.key.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": self.algorithm}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair of the ring, and where it is in its life."""

    pair: KeyPair
    record: KeyRecord


def from_pem(pem: str | bytes) -> KeyPair:
    """Return the key pair in a PEM: RSA signs RS256, P-256 ES256, Ed25519 EdDSA.

    Raises:
        ValueError: see `load_private_key`.
    """
    # Read once: OpenSSL makes sure each time that it is a key, which takes tens of milliseconds for RSA.
    match load_private_key(pem.encode() if isinstance(pem, str) else pem):
        case RSAPrivateKey() as key:
            return _pair(RSAKey(key, key), "RS256")
        case EllipticCurvePrivateKey() as key:
            return _pair(ECKey(key, key), "ES256")
        case Ed25519PrivateKey() as key:
            return _pair(OKPKey(key, key), "EdDSA")


_GENERATORS: Final[Mapping[str, Callable[[], SignatureKey]]] = {
    "RS256": lambda: RSAKey.generate_key(RSA_BITS, auto_kid=False),
    "ES256": lambda: ECKey.generate_key("P-256", auto_kid=False),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519", auto_kid=False),
}


def generate_key(algorithm: str = "RS256") -> KeyPair:
    """Return a new key pair for one of the signing algorithms. RSA takes some tenths of a second."""
    return _pair(_GENERATORS[algorithm](), algorithm)


def _pair(key: SignatureKey, algorithm: str) -> KeyPair:
    return KeyPair(key=key, kid=key.thumbprint(), algorithm=algorithm)


class Keyring:
    """The keys of this replica's last look at the store; replaced as a whole."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start empty: nothing is signed or published until keys were loaded."""
        self._monotonic = monotonic
        self._seen_at = float("-inf")
        self._active: SigningKey | None = None
        self._published: tuple[SigningKey, ...] = ()

    def replace(self, keys: Iterable[SigningKey]) -> None:
        """Take what the store holds now. A set without an active key is ignored: the old one goes on."""
        keys = tuple(keys)
        active = next((key for key in keys if key.record.state is KeyState.ACTIVE), None)
        if active is not None:
            self._active = active
            self._published = keys
            self._seen_at = self._monotonic()

    def clear(self) -> None:
        """Forget every key."""
        self._active = None
        self._published = ()

    @property
    def is_loaded(self) -> bool:
        """Whether there is a key to sign with."""
        return self._active is not None

    @property
    def records(self) -> tuple[KeyRecord, ...]:
        """What is known of each published key."""
        return tuple(key.record for key in self._published)

    def algorithm(self, default: str) -> str:
        """Return the algorithm of the key that signs; before one was loaded, what the caller expects."""
        return default if self._active is None else self._active.pair.algorithm

    def active(self) -> KeyPair:
        """Return the key that signs, as of the last look at the store.

        Raises:
            TemporarilyUnavailable: no key was loaded yet.
        """
        if self._active is None:
            raise TemporarilyUnavailable("The signing keys are not loaded yet.")
        return self._active.pair

    def signing_key(self) -> KeyPair:
        """Return the key to sign with now.

        Raises:
            TemporarilyUnavailable: no key was loaded, or the last look is too long ago to rely on.
        """
        pair = self.active()
        if self._monotonic() - self._seen_at > SIGNS_UNSEEN_SECONDS:
            raise TemporarilyUnavailable("The signing keys have not been seen for too long.")
        return pair

    def find(self, kid: str) -> KeyPair | None:
        """Return the published key with this id."""
        return next((key.pair for key in self._published if key.pair.kid == kid), None)

    def jwks(self) -> dict[str, object]:
        """Return the JWK Set of every published key.

        Raises:
            TemporarilyUnavailable: no key was loaded yet.
        """
        self.active()
        return {"keys": [key.pair.public_jwk() for key in self._published]}
