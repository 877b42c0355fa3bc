"""Moves what is stored to the encryption key that seals now, one value at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from shared.key_check import KeyCheck, StoreEmptiedError, WrongEncryptionKeyError
from shared.logs import get_logger
from shared.redis.client import StoreError
from shared.redis.scripts import load_script
from shared.sealing import Sealer

_log = get_logger("store:sealing")


@dataclass(frozen=True, slots=True)
class SealedValue:
    """A sealed value as it was read: where it stands and what its ciphertext is bound to."""

    key: str
    sealed: str
    purpose: str
    owner: Sequence[str]
    field: str | None = None
    """The field, when the key is a hash."""


class Resealer:
    """Seals stored values again."""

    def __init__(self, redis: Redis, sealer: Sealer) -> None:
        """Take the store's client and this process's sealer."""
        self._sealer = sealer
        self._check = KeyCheck(redis, sealer)
        self._replace = load_script(redis, "shared.redis.lua", "replace_sealed")

    async def reseal(self, value: SealedValue) -> bool:
        """Seal a value with the key that seals now; return False when it changed or went meanwhile.

        Raises:
            UnsealError: it does not open.
            StoreError: the store did not answer.
        """
        plaintext = self._sealer.unseal(value.sealed, purpose=value.purpose, owner=value.owner)
        resealed = self._sealer.seal(plaintext, purpose=value.purpose, owner=value.owner)
        field = () if value.field is None else (value.field,)
        return bool(await self._replace(keys=[value.key], args=[value.sealed, resealed, *field]))

    async def renew(self, value: SealedValue) -> None:
        """Seal a value again when another key sealed it. It was opened already, so no fault here matters."""
        if self._sealer.seals_with(value.sealed):
            return
        try:
            # First: nothing may be sealed with a key that other processes could not know of.
            await self._check.verify()
            if await self.reseal(value):
                _log.info("sealed again", stored_at=value.key, by=self._sealer.key_id)
        except (StoreError, OSError, StoreEmptiedError, WrongEncryptionKeyError) as error:
            _log.warning("not sealed again", stored_at=value.key, reason=type(error).__name__)
