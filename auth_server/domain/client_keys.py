"""Public keys of clients (RFC 7517), each for the one algorithm it verifies (RFC 8725 section 3.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from shared.oauth.signatures import SignatureKey
from shared.sealing import from_base64url

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
MAX_KEYS: Final = 16
_RSA_BITS: Final = range(2048, 8193)
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class NoKeysError(ValueError):
    """The key set cannot be used; the message goes on from `The jwks member `."""


class PrivateKeyError(NoKeysError):
    """The key set has a private or symmetric key: it is not secret any more."""


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A public key. Without `alg` of its own, an RSA key verifies RS256 and PS256."""

    kid: str | None
    algorithms: tuple[str, ...]
    key: SignatureKey


def read_keys(jwks: object) -> tuple[ClientKey, ...]:
    """Return the keys of a JWK Set that can verify an assertion; others are left out.

    Raises:
        PrivateKeyError: see the class.
        NoKeysError: it is no key set, or none of its keys can be used.
    """
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    # First, whatever else is wrong: it has to be told.
    if isinstance(entries, list) and any(_is_private(entry) for entry in entries):
        raise PrivateKeyError("holds a private or symmetric key")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_KEYS:
        raise NoKeysError(f"must be a JWK Set of 1 to {MAX_KEYS} keys")
    found = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise NoKeysError("must be a JWK Set")
        if (key := _read(entry)) is not None:
            found.append(key)
    if not found:
        raise NoKeysError(f"holds no key for {', '.join(ALGORITHMS)}")
    return tuple(found)


def _is_private(entry: object) -> bool:
    return isinstance(entry, dict) and bool(_PRIVATE_MEMBERS & entry.keys())


def _read(entry: Mapping[str, object]) -> ClientKey | None:
    kid = entry.get("kid")
    if entry.get("use", "sig") != "sig" or not isinstance(kid, str | None):
        return None
    try:
        return _import(kid, entry)
    except (JoseError, ValueError, TypeError):
        return None


def _import(kid: str | None, entry: Mapping[str, object]) -> ClientKey | None:
    # Without key_ops, x5c and the like: only what makes the key counts.
    members: dict[str, str | list[str]] = {
        name: value
        for name in ("kty", "crv", "n", "e", "x", "y")
        if isinstance(value := entry.get(name), str)
    }
    match (members.get("kty"), members.get("crv"), entry.get("alg")):
        case ("RSA", None, "RS256" | "PS256" | None as algorithm) if _bits(members) in _RSA_BITS:
            algorithms = ("RS256", "PS256") if algorithm is None else (str(algorithm),)
            return ClientKey(kid, algorithms, RSAKey.import_key(members))
        case ("EC", "P-256", "ES256" | None):
            return ClientKey(kid, ("ES256",), ECKey.import_key(members))
        case ("OKP", "Ed25519", "EdDSA" | "Ed25519" | None):
            return ClientKey(kid, ("EdDSA",), OKPKey.import_key(members))
        case _:
            return None


def _bits(members: Mapping[str, str | list[str]]) -> int:
    return int.from_bytes(from_base64url(str(members.get("n", "")))).bit_length()
