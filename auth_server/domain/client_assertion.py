"""Client assertions: `private_key_jwt` (RFC 7521 section 4.2, RFC 7523 section 3, RFC 8725).

Stricter than RFC 7523, as its revision wants: the audience is the issuer, as one string, because an assertion
that is also good elsewhere can be used by whoever is there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from joserfc import jws
from joserfc.errors import JoseError

from auth_server.domain.client_keys import ALGORITHMS, ClientKey
from shared import strict_json
from shared.oauth.signatures import Registry
from shared.sealing import from_base64url

TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LENGTH: Final = 8192
MAX_JTI: Final = 255
LONGEST_SECONDS: Final = 600
"""An assertion is made for one request; one that is good for a day is worth stealing."""

SKEW_SECONDS: Final = 30

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_HEADER_MEMBERS: Final = frozenset({"alg", "typ", "kid"})
_TYPES: Final = frozenset({"jwt", "client-authentication+jwt", "application/client-authentication+jwt"})
_REGISTRY: Final = Registry(ALGORITHMS)


class InvalidAssertionError(Exception):
    """The assertion proves nothing. The reason is for the log: it tells a forger what to change."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion taken apart. Nothing in it counts before `verify` returned."""

    unverified_token: str
    algorithm: str
    kid: str | None
    claims: Mapping[str, object]

    @property
    def client_id(self) -> str:
        """Who claims to have made it."""
        return str(self.claims["sub"])


def take_apart(unverified_token: str) -> Assertion:
    """Return the parts of an assertion.

    Raises:
        InvalidAssertionError: it is no JWT in compact form, or its header asks for more than a signature.
    """
    if len(unverified_token) > MAX_LENGTH:
        raise InvalidAssertionError("it is too long")
    match = _COMPACT.fullmatch(unverified_token)
    if match is None:
        raise InvalidAssertionError("it is no compact JWS")
    header = _object(match[1])
    # An allow-list: crit, jwk, jku, x5u, b64 and what is yet to come ask verifiers to do things.
    if not header.keys() <= _HEADER_MEMBERS:
        raise InvalidAssertionError("its header has a member that is not allowed")
    algorithm, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if algorithm not in ALGORITHMS:
        raise InvalidAssertionError("its algorithm is not allowed")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        raise InvalidAssertionError("its typ is of another kind of token")
    if "kid" in header and not isinstance(kid, str):
        raise InvalidAssertionError("its kid is no string")
    claims = _object(match[2])
    if not isinstance(claims.get("sub"), str) or claims.get("iss") != claims["sub"]:
        raise InvalidAssertionError("iss and sub are not one client")
    return Assertion(unverified_token, str(algorithm), kid if isinstance(kid, str) else None, claims)


def fitting(assertion: Assertion, keys: Sequence[ClientKey]) -> list[ClientKey]:
    """Return the keys that can have signed an assertion: its algorithm's, and the one it names if it does."""
    return [
        key
        for key in keys
        if assertion.algorithm in key.algorithms and (assertion.kid is None or key.kid == assertion.kid)
    ]


def verify(
    assertion: Assertion, keys: Sequence[ClientKey], *, audiences: Sequence[str], now: float
) -> tuple[str, int]:
    """Check an assertion; return its `jti` and until when it is not to be used again.

    Args:
        assertion: taken apart.
        keys: of the client it claims to be from.
        audiences: what `aud` may be.
        now: seconds since the epoch, as is what is returned.

    Raises:
        InvalidAssertionError: none of the keys signed it, or it is for somebody else or another time.
    """
    if not any(_is_signed_with(assertion, key) for key in fitting(assertion, keys)):
        raise InvalidAssertionError("no key of the client verifies it")
    if assertion.claims.get("aud") not in audiences:
        raise InvalidAssertionError("it is for another audience")
    expires = _time(assertion.claims, "exp")
    if expires <= now - SKEW_SECONDS:
        raise InvalidAssertionError("it expired")
    if expires > now + LONGEST_SECONDS + SKEW_SECONDS:
        raise InvalidAssertionError("it is good for too long")
    for name in ("iat", "nbf"):
        if name in assertion.claims and _time(assertion.claims, name) > now + SKEW_SECONDS:
            raise InvalidAssertionError(f"its {name} is in the future")
    jti = assertion.claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise InvalidAssertionError("it has no usable jti")
    return jti, int(expires) + SKEW_SECONDS + 1


def _is_signed_with(assertion: Assertion, key: ClientKey) -> bool:
    try:
        jws.deserialize_compact(assertion.unverified_token, key.key, registry=_REGISTRY)
    except (JoseError, ValueError):
        return False
    return True


def _object(segment: str) -> Mapping[str, object]:
    try:
        return strict_json.load_object(from_base64url(segment))
    except ValueError:
        raise InvalidAssertionError("a part of it is no JSON object") from None


def _time(claims: Mapping[str, object], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidAssertionError(f"{name} is no number")
    return float(value)
