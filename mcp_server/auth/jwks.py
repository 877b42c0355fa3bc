"""The issuer's public keys, cached (RFC 7517; RFC 9068 section 4).

Read at start and then now and then; at once when a token names a key that is not there, but never more often
than a cooldown allows, however many such tokens come. What is good is never replaced by what is not.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx
from joserfc import errors as jose_errors
from joserfc.jwk import ECKey, OKPKey, RSAKey

from mcp_server.auth.issuer import IssuerUnavailableError, fetch_document
from mcp_server.metrics import KEY_SET_FETCHES
from shared import strict_json
from shared.clock import Clock
from shared.logs import get_logger
from shared.oauth.signatures import (
    JWKS_STALE_SECONDS,
    REFETCH_SECONDS,
    RELOAD_SECONDS,
    UNKNOWN_SECONDS,
    SignatureKey,
)
from shared.sealing import from_base64url

REFRESH_SECONDS: Final = 300.0
"""After so long the keys are read again, in the background: a withdrawn key lives no longer."""

COOLDOWN_SECONDS: Final = float(REFETCH_SECONDS)
"""Between two reads, whatever tokens name."""

SETTLING_SECONDS: Final = RELOAD_SECONDS + 0.5
"""After a change every replica of the issuer knows of it within this time."""

SETTLING_PAUSE = SETTLING_SECONDS
"""Between the two reads that a change causes; shorter only in tests."""

COLD_RETRY_SECONDS: Final = 0.2
"""Between two reads while there are no keys at all."""

MAX_UNKNOWN: Final = 128
MAX_KEYS: Final = 64
MIN_RSA_BITS: Final = 2048

_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

_log = get_logger("mcp:jwks")


class KeysUnavailableError(Exception):
    """There is no way to tell now whether a token is good: a fault of ours, never the caller's."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, pinned to the one algorithm it verifies (RFC 8725 section 3.1)."""

    kid: str
    algorithm: str
    key: SignatureKey


class Jwks:
    """The keys of one issuer as this replica knows them."""

    def __init__(self, http: httpx.AsyncClient, clock: Clock, *, url: str) -> None:
        """Take the HTTP client, the clock and the URL of the key set."""
        self._http = http
        self._clock = clock
        self._url = url
        self._keys: Mapping[str, VerificationKey] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._last_failed = False
        self._unknown: dict[str, float] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._told = asyncio.Event()
        self._told_at = float("-inf")
        self.generation = 0
        """Grows whenever the keys change: what was verified with them must be verified again."""

    def is_usable(self) -> bool:
        """Return whether there are keys young enough to trust; start a read in the background if due."""
        age = self._clock.now() - self._fetched_at
        if age > REFRESH_SECONDS and self._may_try():
            self._start_refresh()
        return age <= JWKS_STALE_SECONDS

    def age(self) -> float | None:
        """Return for how many seconds these keys have been here; None: there are none."""
        return self._clock.now() - self._fetched_at if self._keys else None

    @property
    def count(self) -> int:
        """The number of keys."""
        return len(self._keys)

    async def find(self, unverified_kid: str) -> VerificationKey | None:
        """Return the key that a token names, or None when the issuer has none of that name.

        Raises:
            KeysUnavailableError: the issuer has to be asked and does not answer, or is changing its keys.
        """
        if not self.is_usable():
            await self._refresh_if_allowed()
            if not self.is_usable():
                raise KeysUnavailableError("no signing keys have been read")
        key = self._keys.get(unverified_kid)
        if key is not None:
            return key
        if 0 <= self._clock.now() - self._told_at < SETTLING_SECONDS:
            raise KeysUnavailableError("the issuer is changing its keys")
        if self._unknown.get(unverified_kid, 0.0) > self._clock.now():
            return None
        asked = await self._refresh_if_allowed()
        key = self._keys.get(unverified_kid)
        if key is None and self._last_failed:
            raise KeysUnavailableError("the token names a new key and the issuer does not answer")
        if key is None and asked:
            # Only on the issuer's word: a key published since the last read must not be taken for unknown.
            self._remember_unknown(unverified_kid)
        return key

    def changed(self) -> None:
        """Take the hint that the keys changed: read them at once, whatever the cooldown."""
        self._told_at = self._clock.now()
        self._told.set()

    async def follow(self) -> None:
        """Read the keys for the first time, trying until it works, and again whenever they changed."""
        await self.warm()
        while True:
            await self._told.wait()
            self._told.clear()
            await asyncio.shield(self._start_refresh())
            # A replica of the issuer that lags may have answered, with the keys of before.
            await asyncio.sleep(SETTLING_PAUSE)
            await asyncio.shield(self._start_refresh())

    async def warm(self) -> None:
        """Read the keys for the first time, trying until it works."""
        while not self.is_usable():
            await self._refresh_if_allowed()
            if not self.is_usable():
                await asyncio.sleep(COLD_RETRY_SECONDS)

    def _may_try(self) -> bool:
        cooldown = COOLDOWN_SECONDS if self._keys else COLD_RETRY_SECONDS
        # Below zero the clock was set back; waiting for it to catch up could take for ever.
        return not 0 <= self._clock.now() - self._tried_at < cooldown

    async def _refresh_if_allowed(self) -> bool:
        """Wait for a read, and return whether it began just now."""
        begins = self._refreshing is None
        if begins and not self._may_try():
            return False
        # Shielded: the request that happened to start the read may go away, others wait for it.
        await asyncio.shield(self._start_refresh())
        return begins

    def _start_refresh(self) -> asyncio.Task[None]:
        if self._refreshing is None:
            self._tried_at = self._clock.now()
            self._refreshing = asyncio.create_task(self._refresh())
        return self._refreshing

    async def _refresh(self) -> None:
        try:
            self._keep(read_key_set(await fetch_document(self._http, self._url)))
            self._last_failed = False
            KEY_SET_FETCHES.inc("ok")
        except IssuerUnavailableError as error:
            self._last_failed = True
            KEY_SET_FETCHES.inc("failed")
            _log.warning("signing keys not read", reason=str(error))
        finally:
            self._refreshing = None

    def _keep(self, keys: Mapping[str, VerificationKey]) -> None:
        self._fetched_at = self._clock.now()
        if _identities(keys) != _identities(self._keys):
            self._keys = keys
            self._unknown.clear()
            self.generation += 1
            _log.info("signing keys read", kids=sorted(keys))

    def _remember_unknown(self, kid: str) -> None:
        if len(self._unknown) >= MAX_UNKNOWN:
            self._unknown.pop(next(iter(self._unknown)))
        self._unknown[kid] = self._clock.now() + UNKNOWN_SECONDS


def read_key_set(document: bytes) -> Mapping[str, VerificationKey]:
    """Return the keys of a JWK Set by kid; keys of kinds this server does not use are left out.

    Raises:
        IssuerUnavailableError: it is no key set, or has no usable key, too many, two of a kid, a private one.
    """
    try:
        entries = strict_json.load_object(document).get("keys")
    except strict_json.InvalidJsonError as error:
        raise IssuerUnavailableError(f"the key set cannot be read: {error}") from None
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_KEYS:
        raise IssuerUnavailableError(f"the key set does not have 1 to {MAX_KEYS} keys")
    keys: dict[str, VerificationKey] = {}
    for entry in entries:
        key = _read_key(entry)
        if key is not None and key.kid in keys:
            raise IssuerUnavailableError("the key set has two keys of one kid")
        if key is not None:
            keys[key.kid] = key
    if not keys:
        raise IssuerUnavailableError("the key set has no key this server can use")
    return keys


def _read_key(entry: object) -> VerificationKey | None:
    if not isinstance(entry, dict):
        raise IssuerUnavailableError("the key set has an entry that is no object")
    if _PRIVATE_MEMBERS & entry.keys():
        raise IssuerUnavailableError("the key set has a private key")
    kid = entry.get("kid")
    if not isinstance(kid, str) or not kid or entry.get("use", "sig") != "sig":
        return None
    try:
        return _import_key(kid, entry)
    except (jose_errors.JoseError, ValueError, TypeError):
        return None


def _import_key(kid: str, entry: dict[str, object]) -> VerificationKey | None:
    members: dict[str, str | list[str]] = {
        name: value for name, value in entry.items() if isinstance(value, str)
    }
    kind = (members.get("kty"), members.get("crv"), members.get("alg", "RS256"))
    match kind:
        case ("RSA", None, "RS256") if _bits(entry.get("n")) >= MIN_RSA_BITS:
            return VerificationKey(kid, "RS256", RSAKey.import_key(members))
        case ("EC", "P-256", "ES256"):
            return VerificationKey(kid, "ES256", ECKey.import_key(members))
        case ("OKP", "Ed25519", "EdDSA"):
            return VerificationKey(kid, "EdDSA", OKPKey.import_key(members))
        case _:
            return None


def _bits(modulus: object) -> int:
    return int.from_bytes(from_base64url(str(modulus))).bit_length()


def _identities(keys: Mapping[str, VerificationKey]) -> dict[str, tuple[str, str]]:
    return {kid: (key.algorithm, key.key.thumbprint()) for kid, key in keys.items()}
