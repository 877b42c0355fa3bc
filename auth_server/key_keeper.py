"""Keeps this replica's keyring in step with the store, and the store supplied with a signing key."""

import asyncio

from auth_server.domain.signing_keys import Keyring, KeyState, from_pem, generate_key
from auth_server.store.base import KeyringStore
from shared.clock import Clock
from shared.key_check import KeyCheck, StoreEmptiedError, WrongEncryptionKeyError
from shared.logs import get_logger
from shared.redis.client import StoreError
from shared.sealing import UnsealError

RELOAD_SECONDS = 10.0
RETRY_SECONDS = 0.5

_log = get_logger("oauth:keys")


class KeyKeeper:
    """Loads signing keys at start and then now and then."""

    def __init__(
        self, store: KeyringStore, check: KeyCheck, keyring: Keyring, clock: Clock, *, pem: str | None
    ) -> None:
        """Take where keys are kept and used, and the guide's OAUTH_JWT_PRIVATE_KEY.

        Without a PEM the first replica to start makes a key.
        """
        self._store = store
        self._check = check
        self._keyring = keyring
        self._clock = clock
        self._pem = pem
        self._claimed = False

    async def load(self) -> None:
        """Take what the store holds; the first time, make sure that there is an active key.

        Raises:
            WrongEncryptionKeyError, StoreEmptiedError: see the classes.
            StoreError: the store did not answer.
        """
        if self._claimed:
            await self._check.verify()
        else:
            await self._check.claim()
            await self._provide()
            self._claimed = True
        keys = await self._store.load()
        _log.debug("keyring loaded", keys={key.kid: key.state.value for key in keys})
        self._keyring.replace(keys)

    async def run(self) -> None:
        """Reload until cancelled. A fault leaves the keyring as it is; another's store empties it."""
        while True:
            await asyncio.sleep(RELOAD_SECONDS if self._keyring.is_loaded else RETRY_SECONDS)
            try:
                await self.load()
            except (StoreError, OSError) as error:
                _log.warning("keyring not reloaded", reason=type(error).__name__)
            except (WrongEncryptionKeyError, StoreEmptiedError, UnsealError) as error:
                # Without keys every answer is 503: nobody is told that a good credential is bad.
                self._keyring.clear()
                _log.error("keyring unreadable", reason=str(error))

    async def _provide(self) -> None:
        now = self._clock.now()
        if self._pem is not None:
            key = await asyncio.to_thread(from_pem, self._pem, state=KeyState.ACTIVE, since=now)
            await self._store.activate(key, replace=True)
        elif not any(key.state is KeyState.ACTIVE for key in await self._store.load()):
            key = await asyncio.to_thread(generate_key, state=KeyState.ACTIVE, since=now)
            await self._store.activate(key, replace=False)
