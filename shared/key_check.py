"""The check that every process which shares a store can open what any of them seals."""

from collections.abc import Collection, Mapping

from redis.asyncio import Redis

from shared.redis.client import read_hash
from shared.redis.scripts import load_script
from shared.sealing import Sealer, UnsealError

_KEY = "vt:meta:key-check"
_PURPOSE = "key-check"
_VALUE = b"val-town-mcp"


class WrongEncryptionKeyError(Exception):
    """The store has secrets that this process cannot open; `missing` are the ids of the keys it lacks."""

    def __init__(self, missing: Collection[str]) -> None:
        """Take the ids and say what to do."""
        self.missing = tuple(sorted(missing))
        super().__init__(
            "OAUTH_ENCRYPTION_KEY is not the key that this store's secrets were sealed with, or not the only "
            f"one: key {', '.join(self.missing)} is missing. Use the keys of the other replicas, add the "
            "missing one to OAUTH_DECRYPTION_KEYS, or use an empty store."
        )


class StoreEmptiedError(Exception):
    """The store has lost what was in it. Going on would tell every client that it is unknown."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "The store was emptied under a running service. Restore it, or restart the service to begin anew."
        )


class KeyCheck:
    """The keys in use, and the sentinel in the store: `vt:meta:key-check`, one field for each sealing key."""

    def __init__(self, redis: Redis, sealer: Sealer) -> None:
        """Take the store's client and this process's sealer."""
        self._redis = redis
        self._sealer = sealer
        self._enter = load_script(redis, "shared.redis.lua", "enter_encryption_key")

    async def claim(self) -> None:
        """Check this process's keys against the store, maybe an empty one, and enter the one it seals with.

        Raises:
            WrongEncryptionKeyError: see the class; nothing was written.
            StoreError: the store did not answer.
        """
        await self._enter_own_key(may_begin=True)
        await self.verify()

    async def verify(self) -> None:
        """Check this process's keys against a store in use, and enter the one it seals with.

        Raises:
            StoreEmptiedError: see the class.
            WrongEncryptionKeyError: see the class; nothing was written.
            StoreError: the store did not answer.
        """
        entered = await read_hash(self._redis, _KEY)
        self._check(entered)
        if self._sealer.key_id not in entered:
            await self._enter_own_key(may_begin=False)
            self._check(await read_hash(self._redis, _KEY))

    async def examine(self) -> bool:
        """Check this process's keys as `verify` does, but write nothing; return whether its own is entered.

        Raises:
            StoreEmptiedError: see the class.
            WrongEncryptionKeyError: see the class.
            StoreError: the store did not answer.
        """
        entered = await read_hash(self._redis, _KEY)
        self._check(entered)
        return self._sealer.key_id in entered

    async def is_in_use(self) -> bool:
        """Return whether some process has begun to use the store: an emptied one has forgotten that.

        Raises:
            StoreError: the store did not answer.
        """
        return bool(await self._redis.exists(_KEY))

    async def names(self, key_id: str) -> bool:
        """Return whether some process seals, or has sealed, with this key.

        Raises:
            StoreError: the store did not answer.
        """
        return bool(await self._redis.hexists(_KEY, key_id))

    async def entered(self) -> frozenset[str]:
        """Return the ids of every key that some process seals, or has sealed, with.

        Raises:
            StoreError: the store did not answer.
        """
        return frozenset(await read_hash(self._redis, _KEY))

    async def strike(self, key_ids: Collection[str]) -> None:
        """Take keys out that nothing is sealed with any more. A process that seals with one enters it again.

        Raises:
            StoreError: the store did not answer.
        """
        if over := set(key_ids) - {self._sealer.key_id}:
            await self._redis.hdel(_KEY, *over)

    async def _enter_own_key(self, *, may_begin: bool) -> None:
        own = self._sealer.key_id
        await self._enter(
            keys=[_KEY],
            args=[
                "1" if may_begin else "0",
                own,
                self._sealer.seal(_VALUE, purpose=_PURPOSE, owner=(own,)),
                *self._sealer.key_ids,
            ],
        )

    def _check(self, entered: Mapping[str, str]) -> None:
        if not entered:
            raise StoreEmptiedError
        if missing := [key_id for key_id, sealed in entered.items() if not self._opens(key_id, sealed)]:
            raise WrongEncryptionKeyError(missing)

    def _opens(self, key_id: str, sealed: str) -> bool:
        try:
            self._sealer.unseal(sealed, purpose=_PURPOSE, owner=(key_id,))
        except UnsealError:
            return False
        return True
