"""Keeps this replica's keyring in step with the store, and the store supplied with a signing key."""

import asyncio
from dataclasses import dataclass

from auth_server.domain.signing_keys import Keyring, KeyState, from_pem, generate_key
from auth_server.store.base import KeyringStore
from shared.clock import Clock
from shared.logs import get_logger
from shared.redis.client import StoreError
from shared.sealing import UnsealError

RELOAD_SECONDS = 10.0
RETRY_SECONDS = 0.5

_log = get_logger("oauth:keys")


class EncryptionKeyMismatchError(Exception):
    """The store was sealed with another OAUTH_ENCRYPTION_KEY."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "OAUTH_ENCRYPTION_KEY is not the key that this store's secrets were sealed with. "
            "Use the key of the other replicas, or an empty store."
        )


@dataclass(frozen=True, slots=True)
class KeyKeeper:
    """`pem` is the guide's OAUTH_JWT_PRIVATE_KEY; without it the first replica to start makes a key."""

    store: KeyringStore
    keyring: Keyring
    clock: Clock
    pem: str | None

    async def load(self) -> None:
        """Make sure that there is an active key, and take what the store holds.

        Raises:
            EncryptionKeyMismatchError: see the class.
            StoreError: the store did not answer.
        """
        if not await self.store.check_encryption_key():
            raise EncryptionKeyMismatchError
        now = self.clock.now()
        if self.pem is not None:
            key = await asyncio.to_thread(from_pem, self.pem, state=KeyState.ACTIVE, since=now)
            await self.store.activate(key, replace=True)
        keys = await self.store.load()
        if not any(key.state is KeyState.ACTIVE for key in keys):
            new = await asyncio.to_thread(generate_key, state=KeyState.ACTIVE, since=now)
            await self.store.activate(new, replace=False)
            keys = await self.store.load()
        self.keyring.replace(keys)

    async def run(self) -> None:
        """Reload until cancelled; a store fault leaves the keyring as it is."""
        while True:
            await asyncio.sleep(RELOAD_SECONDS if self.keyring.is_loaded else RETRY_SECONDS)
            try:
                await self.load()
            except (StoreError, OSError) as error:
                _log.warning("keyring not reloaded", reason=type(error).__name__)
            except (EncryptionKeyMismatchError, UnsealError) as error:
                _log.error("keyring unreadable", reason=str(error))
