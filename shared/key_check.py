"""The check that every process which shares a store has the encryption key its secrets were sealed with."""

from redis.asyncio import Redis

from shared.sealing import Sealer, UnsealError

_KEY = "vt:meta:key-check"
_PURPOSE = "key-check"
_VALUE = b"val-town-mcp"


class WrongEncryptionKeyError(Exception):
    """The store was sealed with another OAUTH_ENCRYPTION_KEY."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "OAUTH_ENCRYPTION_KEY is not the key that this store's secrets were sealed with. "
            "Use the key of the other replicas, or an empty store."
        )


class StoreEmptiedError(Exception):
    """The store has lost what was in it. Going on would tell every client that it is unknown."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "The store was emptied under a running service. Restore it, or restart the service to begin anew."
        )


class KeyCheck:
    """The sentinel in the store: `vt:meta:key-check`."""

    def __init__(self, redis: Redis, sealer: Sealer) -> None:
        """Take the store's client and this process's sealer."""
        self._redis = redis
        self._sealer = sealer

    async def claim(self) -> None:
        """Check the key against the store; an empty store becomes this key's.

        Raises:
            WrongEncryptionKeyError: see the class.
            StoreError: the store did not answer.
        """
        mine = self._sealer.seal(_VALUE, purpose=_PURPOSE, owner=())
        await self._redis.set(_KEY, mine, nx=True)
        await self.verify()

    async def verify(self) -> None:
        """Check the key against a store that this process has seen in use.

        Raises:
            StoreEmptiedError: see the class.
            WrongEncryptionKeyError: see the class.
            StoreError: the store did not answer.
        """
        kept = await self._redis.get(_KEY)
        if not isinstance(kept, str):
            raise StoreEmptiedError
        try:
            self._sealer.unseal(kept, purpose=_PURPOSE, owner=())
        except UnsealError:
            raise WrongEncryptionKeyError from None
