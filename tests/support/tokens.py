"""Access tokens, good and forged, signed with keys of the test's own (RFC 9068)."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

DROPPED = object()
"""As a claim's or header member's value: leave it out."""


def base64url(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def segment(value: object) -> str:
    """Return a JWS segment of a JSON value; bytes are taken as they are."""
    return base64url(value if isinstance(value, bytes) else json.dumps(value).encode())


def _integer(number: int) -> str:
    return base64url(number.to_bytes((number.bit_length() + 7) // 8))


@dataclass(frozen=True)
class SigningKey:
    """An RSA key with a kid."""

    kid: str
    private_key: rsa.RSAPrivateKey

    @classmethod
    def generate(cls, kid: str, *, bits: int = 2048) -> "SigningKey":
        """Return a new key."""
        return cls(kid, rsa.generate_private_key(public_exponent=65537, key_size=bits))

    def public_jwk(self) -> dict[str, Any]:
        """Return the entry of a JWK Set."""
        numbers = self.private_key.public_key().public_numbers()
        members = {"n": _integer(numbers.n), "e": _integer(numbers.e)}
        return {"kty": "RSA", "kid": self.kid, "use": "sig", "alg": "RS256", **members}

    def private_jwk(self) -> dict[str, Any]:
        """Return what no key set may ever hold."""
        return {**self.public_jwk(), "d": _integer(self.private_key.private_numbers().d)}

    def sign(self, header: object, payload: object) -> str:
        """Return the compact JWS of any header and payload, signed with RS256 whatever the header says."""
        signed = f"{segment(header)}.{segment(payload)}"
        signature = self.private_key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64url(signature)}"


@dataclass(frozen=True)
class TokenMint:
    """Makes access tokens of one issuer for one resource."""

    key: SigningKey
    issuer: str
    resource: str

    def claims(self, now: float, **changes: Any) -> dict[str, Any]:
        """Return the claims of a good token of an hour, changed as asked; `DROPPED` removes one."""
        claims = {
            "iss": self.issuer,
            "aud": self.resource,
            "sub": "user-ada",
            "client_id": "client-1",
            "scope": "read",
            "iat": int(now),
            "exp": int(now) + 3600,
            "jti": "token-1",
            "gid": "grant-1",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not DROPPED}

    def header(self, **changes: Any) -> dict[str, Any]:
        """Return the header of a good token, changed as asked."""
        header = {"alg": "RS256", "typ": "at+jwt", "kid": self.key.kid, **changes}
        return {name: value for name, value in header.items() if value is not DROPPED}

    def token(self, now: float, *, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Return a signed token; `header` changes header members, keywords change claims."""
        return self.key.sign(self.header(**(header or {})), self.claims(now, **changes))
