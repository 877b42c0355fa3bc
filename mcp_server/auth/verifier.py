"""An access token becomes a Principal, or nothing does (RFC 9068 section 4; RFC 8725)."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from joserfc import jws
from joserfc.errors import JoseError

from mcp_server.auth.jwks import Jwks, VerificationKey
from mcp_server.auth.principal import Principal
from mcp_server.metrics import TOKEN_REFUSALS
from shared import strict_json
from shared.clock import Clock
from shared.flows.steps import Reason
from shared.logs import get_logger
from shared.oauth.access_token import (
    GRANT_ID_CLAIM,
    GRANT_VERSION_CLAIM,
    LEEWAY,
    MAX_LIFETIME,
    SIGNING_ALGORITHMS,
    TYP,
)
from shared.oauth.authorization_details import CLAIM, vals_of
from shared.oauth.errors import InvalidToken
from shared.oauth.scopes import expand, in_order
from shared.oauth.signatures import REGISTRY
from shared.policy import RESOURCE_SCOPES
from shared.revocation import RevocationList
from shared.sealing import from_base64url

MAX_TOKEN_LENGTH: Final = 8192
MAX_KID_LENGTH: Final = 128
MAX_NAME_LENGTH: Final = 2048
"""Characters of `sub`, `client_id` (which may be a URL), `jti` and `gid`."""

KEPT_TOKENS: Final = 4096

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_KID: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_KID_LENGTH}}}")
_HEADER_MEMBERS: Final = frozenset({"alg", "typ", "kid"})
_TYPES: Final = frozenset({TYP, f"application/{TYP}"})
_KNOWN_SCOPES: Final = frozenset(RESOURCE_SCOPES)

_log = get_logger("mcp:guard")


class RevocationUnknownError(Exception):
    """This replica cannot prove that its list of revocations is complete, so it can accept nobody."""


class TokenVerifier:
    """Checks everything about an access token; what comes out is a whole Principal."""

    def __init__(
        self, jwks: Jwks, revocations: RevocationList, clock: Clock, *, issuer: str, resource: str
    ) -> None:
        """Take the keys, the revocations, the clock, and the two names a token must carry exactly."""
        self._jwks = jwks
        self._revocations = revocations
        self._clock = clock
        self._issuer = issuer
        self._resource = resource
        self._verified: dict[bytes, Principal] = {}
        self._generation = jwks.generation

    async def verify(self, unverified_token: bytes) -> Principal:
        """Return whom an access token, in ASCII, speaks for.

        Raises:
            InvalidToken: it is malformed, forged, expired, revoked, or for somebody else.
            KeysUnavailableError: the issuer's keys are needed and cannot be had.
            RevocationUnknownError: whether it was revoked cannot be told.
        """
        principal = await self._verify(unverified_token.decode("ascii"))
        self._remember(sha256(unverified_token).digest(), principal)
        self._check_revocation(principal)
        return principal

    def recall(self, unverified_token: bytes) -> Principal | None:
        """Return whom an access token speaks for if it was verified before; None: it must be verified.

        Raises:
            InvalidToken: it was revoked.
            RevocationUnknownError: whether it was revoked cannot be told.
        """
        principal = self._recall(sha256(unverified_token).digest())
        if principal is not None:
            self._check_revocation(principal)
        return principal

    def recheck(self, principal: Principal) -> None:
        """Check that a token that was good still is.

        Raises:
            InvalidToken: it expired or was revoked since.
            RevocationUnknownError: whether it was revoked cannot be told.
        """
        if (principal.expires_at or 0) <= self._clock.now() - LEEWAY:
            raise _expired()
        self._check_revocation(principal)

    def _recall(self, digest: bytes) -> Principal | None:
        if not self._jwks.is_usable():
            return None
        if self._generation != self._jwks.generation:
            self._generation = self._jwks.generation
            self._verified.clear()
        principal = self._verified.get(digest)
        if principal is not None and (principal.expires_at or 0) <= self._clock.now():
            del self._verified[digest]
            return None
        return principal

    def _remember(self, digest: bytes, principal: Principal) -> None:
        if (principal.expires_at or 0) <= self._clock.now():
            return
        if len(self._verified) >= KEPT_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = principal

    async def _verify(self, unverified_token: str) -> Principal:
        header, payload = _take_apart(unverified_token)
        kid = _check_header(header)
        # First: a revoked key may be out of the set, and while the issuer is away an unknown one is 503.
        self._check_key(kid)
        key = await self._jwks.find(kid)
        if key is None:
            raise _invalid("it names a key the issuer does not have", "unknown_key")
        _check_signature(unverified_token, header, key)
        # From here on the issuer stands for what the payload says.
        claims = _read_object(payload, "payload")
        self._check_parties(claims)
        self._check_times(claims)
        return _principal(claims, kid)

    def _check_parties(self, claims: Mapping[str, object]) -> None:
        if claims.get("iss") != self._issuer:
            raise _invalid("it is from another issuer", "issuer")
        # A list that also names somebody else would let that somebody replay the token here.
        if claims.get("aud") not in (self._resource, [self._resource]):
            raise _invalid("it is for another resource", "audience")

    def _check_times(self, claims: Mapping[str, object]) -> None:
        now = self._clock.now()
        expires, issued = _number(claims, "exp"), _number(claims, "iat")
        if expires <= now - LEEWAY:
            raise _expired()
        if not 0 < expires - issued <= MAX_LIFETIME:
            raise _invalid("it claims a lifetime no token has", "claims")
        starts = _number(claims, "nbf") if "nbf" in claims else issued
        if max(issued, starts) > now + LEEWAY:
            raise _invalid("it is not valid yet", "not_valid_yet")

    def _check_revocation(self, principal: Principal) -> None:
        if not self._revocations.is_fresh(principal.grant_id):
            raise RevocationUnknownError
        if not self._revocations.has_any(principal.revoked_by):
            return
        self._check_key(principal.key_id or "")
        TOKEN_REFUSALS.inc("revoked")
        raise InvalidToken("The access token was revoked.", reason=Reason.GRANT_REVOKED)

    def _check_key(self, kid: str) -> None:
        if self._revocations.is_key_revoked(kid):
            TOKEN_REFUSALS.inc("revoked_key")
            raise InvalidToken("The key that signed the access token was revoked.", reason="revoked_key")


def _take_apart(unverified_token: str) -> tuple[Mapping[str, object], bytes]:
    if len(unverified_token) > MAX_TOKEN_LENGTH:
        raise _invalid("it is too long")
    match = _COMPACT.fullmatch(unverified_token)
    if match is None:
        raise _invalid("it is no compact JWS")
    header, payload, _signature = (_decode(segment) for segment in match.groups())
    return _read_object(header, "header"), payload


def _decode(segment: str) -> bytes:
    try:
        return from_base64url(segment)
    except ValueError:
        raise _invalid("a segment is not canonical base64url") from None


def _read_object(data: bytes, name: str) -> Mapping[str, object]:
    try:
        return strict_json.load_object(data)
    except strict_json.InvalidJsonError as error:
        raise _invalid(f"of its {name}: {error}") from None


def _check_header(header: Mapping[str, object]) -> str:
    # An allow-list: crit, jwk, jku, x5u, x5c, b64, zip and what is yet to come ask verifiers to do things.
    if not header.keys() <= _HEADER_MEMBERS:
        raise _invalid("its header has a member that is not allowed")
    typ, kid = header.get("typ"), header.get("kid")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        raise _invalid("its typ is not at+jwt")
    if header.get("alg") not in SIGNING_ALGORITHMS:
        raise _invalid("its algorithm is not allowed")
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise _invalid("it does not name a key")
    return kid


def _check_signature(token: str, header: Mapping[str, object], key: VerificationKey) -> None:
    if header["alg"] != key.algorithm:
        raise _invalid("its algorithm is not that of its key", "signature")
    try:
        jws.deserialize_compact(token, key.key, registry=REGISTRY)
    except (JoseError, ValueError):
        raise _invalid("its signature is wrong", "signature") from None


def _principal(claims: Mapping[str, object], kid: str) -> Principal:
    granted = in_order(name for name in _text(claims, "scope").split(" ") if name in _KNOWN_SCOPES)
    return Principal(
        subject=_name(claims, "sub"),
        client_id=_name(claims, "client_id"),
        grant_id=_name(claims, GRANT_ID_CLAIM),
        granted=granted,
        scopes=expand(granted),
        expires_at=_number(claims, "exp"),
        token_id=_name(claims, "jti"),
        key_id=kid,
        version=_version(claims),
        vals=_vals(claims),
    )


def _version(claims: Mapping[str, object]) -> int:
    if GRANT_VERSION_CLAIM not in claims:
        return 0
    version = _number(claims, GRANT_VERSION_CLAIM)
    if version < 1:
        raise _invalid(f"{GRANT_VERSION_CLAIM} is none", "claims")
    return version


def _vals(claims: Mapping[str, object]) -> frozenset[str] | None:
    if CLAIM not in claims:
        return None
    try:
        return vals_of(claims[CLAIM])
    except ValueError as error:
        raise _invalid(str(error), "claims") from None


def _number(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid(f"{name} is no whole number", "claims")
    return value


def _name(claims: Mapping[str, object], name: str) -> str:
    value = _text(claims, name)
    if not 0 < len(value) <= MAX_NAME_LENGTH:
        raise _invalid(f"{name} is empty or too long", "claims")
    return value


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise _invalid(f"{name} is no string", "claims")
    return value


def _expired() -> InvalidToken:
    TOKEN_REFUSALS.inc("expired")
    return InvalidToken("The access token expired.", reason=Reason.EXPIRED)


def _invalid(reason: str, kind: str = "malformed") -> InvalidToken:
    # The reason is for operators: telling a caller which check failed tells a forger what to change.
    _log.debug("token refused", reason=reason)
    TOKEN_REFUSALS.inc(kind)
    return InvalidToken("The access token is not valid here.", reason=kind)
