"""Signing keys: `vt:{keys}:sealed` and `vt:{keys}:state`, two hashes by kid."""

import asyncio
import json

from redis.asyncio import Redis

from auth_server.domain.signing_keys import KeyPair, KeyRecord, KeyState, SigningKey, from_pem
from auth_server.store.keyring import Addition, KeyRole, RingFullError, RotationBegun
from shared.clock import Clock
from shared.oauth.signatures import (
    MAX_PUBLISHED,
    PUBLISHED_AFTER_USE,
    PUBLISHED_BEFORE_USE,
    REVOKED_SECONDS,
)
from shared.redis.client import read_hash
from shared.redis.scripts import NotReplicatedError, load_script
from shared.resealing import Resealer, SealedValue
from shared.revocation import CHANNEL, deny_key, signing_key_entry
from shared.sealing import Sealer

SEALED_KEYS = "vt:{keys}:sealed"
"""Private halves by kid, sealed."""

_RECORDS = "vt:{keys}:state"
_PURPOSE = "signing-key"
_PACKAGE = "auth_server.store.redis.lua"
_PRELUDE = ("transitions", "keyring")


def sealed_signing_key(kid: str, sealed: str) -> SealedValue:
    """Return a sealed signing key as it was read, for sealing it again."""
    return SealedValue(SEALED_KEYS, sealed, _PURPOSE, (kid,), field=kid)


class RedisKeyringStore:
    """Implements `KeyringStore`."""

    def __init__(
        self,
        redis: Redis,
        sealer: Sealer,
        clock: Clock,
        *,
        token_seconds: int,
        lead_seconds: float = PUBLISHED_BEFORE_USE,
        replicas: int = 0,
    ) -> None:
        """Take the store's client, the sealer, the clock, two times, and a number.

        Args:
            redis: the store's client.
            sealer: of OAUTH_ENCRYPTION_KEY.
            clock: the clock.
            token_seconds: the life of an access token.
            lead_seconds: how long a key is published before it signs. Less is for tests alone.
            replicas: how many must confirm that a key is revoked (REDIS_WAIT_REPLICAS).
        """
        self._redis = redis
        self._replicas = replicas
        self._sealer = sealer
        self._clock = clock
        self._life = token_seconds * 1000
        self._lead = round(lead_seconds * 1000)
        self._resealer = Resealer(redis, sealer)
        self._opened: dict[str, KeyPair] = {}
        self._advance = load_script(redis, _PACKAGE, "advance_keys", prelude=_PRELUDE, allow_oom=True)
        self._add = load_script(redis, _PACKAGE, "add_key", prelude=_PRELUDE)
        self._rotate = load_script(redis, _PACKAGE, "rotate_keys", prelude=_PRELUDE)
        self._revoke = load_script(redis, _PACKAGE, "revoke_key", prelude=_PRELUDE, allow_oom=True)

    async def load(self) -> tuple[SigningKey, ...]:
        """Return every key that is published, the active one first."""
        records = [record for record in await self.records() if record.state is not KeyState.GONE]
        unopened = [record.kid for record in records if record.kid not in self._opened]
        if unopened:
            await self._open(unopened)
        keys = (
            SigningKey(self._opened[record.kid], record) for record in records if record.kid in self._opened
        )
        return tuple(sorted(keys, key=_signs_first))

    async def records(self) -> tuple[KeyRecord, ...]:
        """Return what is known of every key, gone ones included, the oldest first."""
        stored = await read_hash(self._redis, _RECORDS)
        read = (_read_record(kid, described) for kid, described in stored.items())
        return tuple(sorted((record for record in read if record), key=lambda record: record.published_at))

    async def advance(self) -> bool:
        """Make the transitions whose time has come, in one script."""
        changed = await self._advance(
            keys=[SEALED_KEYS, _RECORDS],
            args=[self._offset(), self._life, PUBLISHED_AFTER_USE * 1000, CHANNEL],
        )
        return bool(changed)

    async def add(self, pair: KeyPair, role: KeyRole, *, imported: bool = False) -> Addition:
        """Add a key, if it is needed for its role, in one script."""
        outcome = await self._add(
            keys=[SEALED_KEYS, _RECORDS],
            args=[
                self._offset(),
                pair.kid,
                self._seal(pair),
                pair.algorithm,
                role.value,
                self._lead,
                self._life,
                "1" if imported else "0",
                MAX_PUBLISHED,
                CHANNEL,
            ],
        )
        return Addition(outcome)

    async def rotate(self, new: KeyPair, *, replacing: str | None = None) -> RotationBegun | None:
        """Let the key that stands by become due, and another stand by in its place, in one script."""
        outcome, *begun = await self._rotate(
            keys=[SEALED_KEYS, _RECORDS],
            args=[
                self._offset(),
                new.kid,
                self._seal(new),
                new.algorithm,
                self._lead,
                self._life,
                PUBLISHED_AFTER_USE * 1000,
                MAX_PUBLISHED,
                replacing or "",
                CHANNEL,
            ],
        )
        if outcome == "full":
            raise RingFullError
        if outcome != "rotated":
            return None
        kid, due_at = begun
        return RotationBegun(kid, float(due_at) / 1000)

    async def revoke(self, kid: str, *, substitute: KeyPair) -> str | None:
        """Take a key out at once with all tokens it signed, in one script."""
        (outcome, signs_now), is_safe = await self._revoke.settled(
            replicas=self._replicas,
            keys=[SEALED_KEYS, _RECORDS, deny_key(*signing_key_entry(kid))],
            args=[
                self._offset(),
                kid,
                self._life,
                PUBLISHED_AFTER_USE * 1000,
                CHANNEL,
                REVOKED_SECONDS,
                substitute.kid,
                self._seal(substitute),
                substitute.algorithm,
            ],
        )
        self._opened.pop(kid, None)
        if not is_safe:
            raise NotReplicatedError(
                f"the key is revoked, but fewer than {self._replicas} replicas have confirmed it; repeat this"
            )
        return str(signs_now) if outcome == "revoked" else None

    async def _open(self, kids: list[str]) -> None:
        sealed = await read_hash(self._redis, SEALED_KEYS)
        for kid in kids:
            # Without its private half a key has gone since its record was read.
            if kid in sealed:
                # Checking an RSA key takes longer than a request: once for each, and not on the event loop.
                pem = self._sealer.unseal(sealed[kid], purpose=_PURPOSE, owner=(kid,))
                self._opened[kid] = await asyncio.to_thread(from_pem, pem)
                await self._resealer.renew(sealed_signing_key(kid, sealed[kid]))

    def _seal(self, pair: KeyPair) -> str:
        return self._sealer.seal(pair.pem(), purpose=_PURPOSE, owner=(pair.kid,))

    def _offset(self) -> int:
        return int(self._clock.offset * 1000)


def _read_record(kid: str, described: str) -> KeyRecord | None:
    """Return a record; None when another version wrote it, in a form that is not this one's to judge."""
    try:
        members = json.loads(described)
        return KeyRecord(
            kid=kid,
            algorithm=members["algorithm"],
            state=KeyState(members["state"]),
            published_at=members["published_at"] / 1000,
            due_at=_seconds(members.get("due_at")),
            activated_at=_seconds(members.get("activated_at")),
            gone_at=_seconds(members.get("gone_at")),
            imported=bool(members.get("imported")),
        )
    except (ValueError, TypeError, KeyError):
        return None


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _signs_first(key: SigningKey) -> tuple[bool, float]:
    return key.record.state is not KeyState.ACTIVE, -key.record.published_at
