"""Every stored value sealed with an encryption key: counted, and sealed again after a change of key."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from redis.asyncio import Redis

from auth_server.store.redis.keyring import SEALED_KEYS, sealed_signing_key
from shared.credentials import ALL_CREDENTIAL_KEYS, CredentialOwner, grant_id_of, sealed_credential
from shared.key_check import KeyCheck
from shared.redis.client import read_hash, scan
from shared.resealing import Resealer, SealedValue
from shared.sealing import Sealer, UnsealError, sealing_key_id

BATCH = 500
"""How many keys are scanned and read at once."""

_SESSIONS = "vt:session:*"


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One encryption key, and how many values are sealed with it."""

    key_id: str
    seals: bool
    """It is OAUTH_ENCRYPTION_KEY here."""
    opens: bool
    """It is here."""
    in_use: bool
    """Some replica seals with it, or has, and every replica needs it."""
    credentials: int
    signing_keys: int
    sessions: int


@dataclass(slots=True)
class Resealing:
    """What sealing again has done."""

    resealed: int = 0
    unopened: Counter[str] = field(default_factory=Counter)
    """Values that no key here opens, by the key that they name: damaged, or without a grant. They stay."""
    struck: tuple[str, ...] = ()
    """Keys that nothing is sealed with any more; they are no longer listed as in use."""
    waiting: tuple[str, ...] = ()
    """Keys that something is still sealed with, such as sessions, which are over within an hour."""


class SealedValues:
    """The sealed values of one store."""

    def __init__(self, redis: Redis, sealer: Sealer) -> None:
        """Take the store's client and the sealer of the encryption keys."""
        self._redis = redis
        self._sealer = sealer
        self._check = KeyCheck(redis, sealer)
        self._resealer = Resealer(redis, sealer)

    async def status(self) -> tuple[KeyUse, ...]:
        """Return every key that is here, in use, or named by a value; the one that seals here comes first.

        Counts are of a scan: values that come and go meanwhile may be counted or not.

        Raises:
            StoreError: the store did not answer.
        """
        entered = await self._check.entered()
        credentials, signing_keys, sessions = await self._counts()
        named = {*entered, *self._sealer.key_ids, *credentials, *signing_keys, *sessions}
        return tuple(
            KeyUse(
                key_id=key_id,
                seals=key_id == self._sealer.key_id,
                opens=key_id in self._sealer.key_ids,
                in_use=key_id in entered,
                credentials=credentials[key_id],
                signing_keys=signing_keys[key_id],
                sessions=sessions[key_id],
            )
            for key_id in sorted(named, key=lambda one: (one != self._sealer.key_id, one))
        )

    async def reseal(self) -> Resealing:
        """Seal credentials and signing keys with the key that seals here, and strike keys that are over.

        Safe to repeat, and to run while replicas serve: each value is replaced only if it is still the one
        that was read.

        Raises:
            StoreEmptiedError, WrongEncryptionKeyError: see the classes; nothing was done.
            StoreError: the store did not answer; what was done stays done.
        """
        await self._check.verify()
        done = Resealing()
        async for value in self._values():
            if not self._sealer.seals_with(value.sealed):
                await self._seal_again(value, done)
        await self._strike(done)
        return done

    async def _seal_again(self, value: SealedValue, done: Resealing) -> None:
        try:
            done.resealed += await self._resealer.reseal(value)
        except UnsealError:
            done.unopened[sealing_key_id(value.sealed) or ""] += 1

    async def _strike(self, done: Resealing) -> None:
        left = sum(await self._counts(), Counter[str]())
        older = await self._check.entered() - {self._sealer.key_id}
        done.waiting = tuple(sorted(key_id for key_id in older if left[key_id] > done.unopened[key_id]))
        done.struck = tuple(sorted(older - set(done.waiting)))
        await self._check.strike(done.struck)

    async def _counts(self) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """Return how many credentials, signing keys and sessions name each key."""
        credentials, sessions = Counter[str](), Counter[str]()
        async for batch in self._credentials():
            credentials.update(_named(batch.values()))
        async for keys in scan(self._redis, _SESSIONS, batch=BATCH):
            sessions.update(_named(await self._session_credentials(keys)))
        signing_keys = Counter(_named((await read_hash(self._redis, SEALED_KEYS)).values()))
        return credentials, signing_keys, sessions

    async def _values(self) -> AsyncIterator[SealedValue]:
        """Yield every credential and every signing key."""
        for kid, sealed in (await read_hash(self._redis, SEALED_KEYS)).items():
            yield sealed_signing_key(kid, sealed)
        async for batch in self._credentials():
            for key, sealed in batch.items():
                yield sealed_credential(await self._owner(grant_id_of(key)), sealed)

    async def _owner(self, grant_id: str) -> CredentialOwner:
        # Without a grant there is no owner, and the value does not open.
        subject, client_id = await self._redis.hmget(f"vt:{{{grant_id}}}:grant", ["subject", "client"])
        return CredentialOwner(grant_id, str(subject or ""), str(client_id or ""))

    async def _credentials(self) -> AsyncIterator[dict[str, str]]:
        async for keys in scan(self._redis, ALL_CREDENTIAL_KEYS, batch=BATCH):
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.get(key)
                sealed = await pipeline.execute()
            yield {key: value for key, value in zip(keys, sealed, strict=True) if isinstance(value, str)}

    async def _session_credentials(self, keys: Iterable[str]) -> list[str]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.hget(key, "credential")
            return [value for value in await pipeline.execute() if isinstance(value, str)]


def _named(values: Iterable[str]) -> list[str]:
    return [key_id for value in values if (key_id := sealing_key_id(value)) is not None]
