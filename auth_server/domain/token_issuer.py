"""The single mint: access tokens (RFC 9068), refresh tokens, the token response (RFC 6749, 5.1)."""

import hmac
import secrets
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from joserfc import jwt
from joserfc.errors import JoseError
from pydantic_core import to_json

from auth_server.domain import generate
from auth_server.domain.signing_keys import Keyring
from auth_server.models import Grant
from shared import strict_json
from shared.clock import Clock
from shared.oauth.access_token import GRANT_ID_CLAIM, GRANT_VERSION_CLAIM, TYP
from shared.oauth.authorization_details import details_of
from shared.oauth.errors import InvalidGrant
from shared.oauth.scopes import format_scope
from shared.oauth.signatures import REGISTRY, SignatureKey
from shared.sealing import Sealer, base64url, from_base64url

_GRANT_ID_BYTES = 16
_SECRET_BYTES = 32
_MAC_BYTES = 16
_REFRESH_BYTES = _GRANT_ID_BYTES + 4 + _SECRET_BYTES + _MAC_BYTES
MAX_TOKEN_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token whose MAC is right: this server, or one with the same key, made it."""

    value: str = field(repr=False)
    grant_id: str
    generation: int

    @property
    def token_hash(self) -> str:
        """The hash under which it is kept."""
        return generate.digest(self.value)


@dataclass(frozen=True, slots=True)
class VerifiedAccessToken:
    """The claims of one of our own access tokens; it may have expired or been revoked."""

    grant_id: str
    token_id: str
    client_id: str
    subject: str
    audience: str
    scope: str
    issued_at: int
    expires_at: int
    version: int


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """A successful answer of the token endpoint (RFC 6749 section 5.1)."""

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    refresh_token: str | None = field(repr=False)
    vals: tuple[str, ...] = ()
    token_id: str = ""
    """`jti` of the access token, for the audit log."""

    def to_json(self) -> str:
        """Return the JSON body; no member is null."""
        body: dict[str, object] = {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": self.scope,
            **details_of(self.vals),
        }
        if self.refresh_token is not None:
            body["refresh_token"] = self.refresh_token
        return to_json(body).decode()


class TokenIssuer:
    """Makes tokens. Nothing it returns counts until the store has recorded it."""

    def __init__(self, *, issuer: str, lifetime: int, keyring: Keyring, sealer: Sealer, clock: Clock) -> None:
        """Take the issuer, an access token's seconds of life, the keys, and the clock."""
        self._issuer = issuer
        self._lifetime = lifetime
        self._keyring = keyring
        self._mac_keys = sealer.derive_each("refresh-token")
        self._clock = clock

    def respond(
        self, grant: Grant, scopes: Iterable[str], refresh_token: RefreshToken | None
    ) -> TokenResponse:
        """Return a token response with a new access token for the grant's resource and the given scopes."""
        scope = format_scope(scopes)
        token_id = generate.token_id()
        return TokenResponse(
            access_token=self._access_token(grant, scope, token_id),
            token_id=token_id,
            expires_in=self._lifetime,
            scope=scope,
            refresh_token=None if refresh_token is None else refresh_token.value,
            vals=grant.vals,
        )

    def _access_token(self, grant: Grant, scope: str, token_id: str) -> str:
        key = self._keyring.signing_key()
        now = int(self._clock.now())
        claims = {
            "iss": self._issuer,
            "sub": grant.subject,
            "aud": grant.resource,
            "client_id": grant.client_id,
            "scope": scope,
            "iat": now,
            "exp": now + self._lifetime,
            "jti": token_id,
            GRANT_ID_CLAIM: grant.grant_id,
            **({GRANT_VERSION_CLAIM: grant.version} if grant.version else {}),
            **details_of(grant.vals),
        }
        return key.sign(claims)

    def refresh_token(self, grant_id: str, generation: int) -> RefreshToken:
        """Return a new refresh token: grant, generation, 256 random bits, and a MAC over all of it."""
        body = from_base64url(grant_id) + struct.pack(">I", generation) + secrets.token_bytes(_SECRET_BYTES)
        value = generate.REFRESH_TOKEN + base64url(body + _mac(self._mac_keys[0], body))
        return RefreshToken(value=value, grant_id=grant_id, generation=generation)

    def read_refresh_token(self, value: str) -> RefreshToken:
        """Return a refresh token that was made here; the store knows whether it is still good.

        The MAC keeps forged tokens away from the family whose id they carry.

        Raises:
            InvalidGrant: it was not made here.
        """
        try:
            if not value.startswith(generate.REFRESH_TOKEN) or len(value) > MAX_TOKEN_LENGTH:
                raise ValueError("not a refresh token")
            raw = from_base64url(value.removeprefix(generate.REFRESH_TOKEN))
            body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
            if len(raw) != _REFRESH_BYTES or not self._made_here(body, mac):
                raise ValueError("not made here")
        except ValueError:
            raise InvalidGrant("The refresh token is not valid.") from None
        (generation,) = struct.unpack(">I", body[_GRANT_ID_BYTES : _GRANT_ID_BYTES + 4])
        return RefreshToken(value, base64url(body[:_GRANT_ID_BYTES]), generation)

    def read_access_token(self, value: str) -> VerifiedAccessToken | None:
        """Return one of our own access tokens, its signature checked; None when it is none."""
        if len(value) > MAX_TOKEN_LENGTH or value.count(".") != 2:
            return None
        try:
            token = jwt.decode(
                value,
                lambda recipient: self._public_key(recipient.headers()),
                registry=REGISTRY,
            )
            claims = token.claims
            if token.header.get("typ") != TYP or claims["iss"] != self._issuer:
                return None
            return VerifiedAccessToken(
                grant_id=str(claims[GRANT_ID_CLAIM]),
                token_id=str(claims["jti"]),
                client_id=str(claims["client_id"]),
                subject=str(claims["sub"]),
                audience=str(claims["aud"]),
                scope=str(claims["scope"]),
                issued_at=int(claims["iat"]),
                expires_at=int(claims["exp"]),
                version=int(claims.get(GRANT_VERSION_CLAIM, 0)),
            )
        except (JoseError, ValueError, KeyError, TypeError):
            return None

    def names_unknown_key(self, value: str) -> bool:
        """Return whether a string looks like an access token of a key that is not in this replica's ring."""
        if len(value) > MAX_TOKEN_LENGTH or value.count(".") != 2:
            return False
        try:
            unverified_header = strict_json.load_object(from_base64url(value.partition(".")[0]))
        except ValueError:
            return False
        kid = unverified_header.get("kid")
        return (
            unverified_header.get("typ") == TYP and isinstance(kid, str) and self._keyring.find(kid) is None
        )

    def _public_key(self, unverified_header: Mapping[str, object]) -> SignatureKey:
        key = self._keyring.find(str(unverified_header.get("kid")))
        # RFC 8725 section 3.1: the key says which algorithm it is for, not the token.
        if key is None or key.algorithm != unverified_header.get("alg"):
            raise ValueError("unknown key")
        return key.key

    def _made_here(self, body: bytes, mac: bytes) -> bool:
        # A refresh token outlives a change of the encryption key.
        for key in self._mac_keys:  # noqa: SIM110 - a generator costs as much as the MAC
            if hmac.compare_digest(mac, _mac(key, body)):
                return True
        return False


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:_MAC_BYTES]
