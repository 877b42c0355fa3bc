"""Keeps this replica's keyring in step with the store, and the store supplied with signing keys."""

import asyncio
from dataclasses import dataclass

from auth_server.domain.signing_keys import KeyPair, Keyring, KeyState, from_pem, generate_key
from auth_server.store.keyring import Addition, KeyringStore, KeyRole, RingFullError
from shared.clock import Clock
from shared.key_check import KeyCheck, StoreEmptiedError, WrongEncryptionKeyError
from shared.logs import get_logger
from shared.oauth.signatures import RELOAD_SECONDS
from shared.redis.client import StoreError
from shared.sealing import UnsealError

RETRY_SECONDS = 0.5

_log = get_logger("oauth:keys")


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """What the settings say about signing keys."""

    pem: str | None
    """The guide's OAUTH_JWT_PRIVATE_KEY; without it keys are made here."""
    algorithm: str
    """Of keys made here."""
    rotation_seconds: int
    """Age at which a key made here is replaced; 0: never."""


class KeyKeeper:
    """Loads signing keys at start and then every few seconds, and moves the ring along."""

    def __init__(
        self, store: KeyringStore, check: KeyCheck, keyring: Keyring, clock: Clock, policy: KeyPolicy
    ) -> None:
        """Take where keys are kept and used, and what the settings say about them."""
        self._store = store
        self._check = check
        self._keyring = keyring
        self._clock = clock
        self._policy = policy
        self._claimed = False
        self._spare: KeyPair | None = None

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
        await self._store.advance()
        keys = await self._store.load()
        _log.debug("keyring loaded", keys={key.record.kid: key.record.state.value for key in keys})
        self._keyring.replace(keys)

    async def run(self) -> None:
        """Reload and maintain until cancelled.

        A fault leaves the keyring as it is; another's store empties it.
        """
        while True:
            await asyncio.sleep(RELOAD_SECONDS if self._keyring.is_loaded else RETRY_SECONDS)
            try:
                await self.load()
                await self.maintain()
            except (StoreError, OSError) as error:
                _log.warning("keyring not reloaded", reason=type(error).__name__)
            except (WrongEncryptionKeyError, StoreEmptiedError, UnsealError) as error:
                # Without keys every answer is 503: nobody is told that a good credential is bad.
                self._keyring.clear()
                _log.error("keyring unreadable", reason=str(error))

    async def maintain(self) -> None:
        """Keep a key standing by, and replace an active one that is too old or of another algorithm.

        Raises:
            StoreError: the store did not answer.
        """
        algorithm = self._algorithm()
        records = self._keyring.records
        if not any(
            record.state is KeyState.NEXT and record.due_at is None and record.algorithm == algorithm
            for record in records
        ):
            await self._store.add(await self._new_key(algorithm), KeyRole.STANDBY)
        active = next((record for record in records if record.state is KeyState.ACTIVE), None)
        if active is None or self._policy.pem is not None or any(record.due_at for record in records):
            return
        age = self._clock.now() - (active.activated_at or active.published_at)
        too_old = 0 < self._policy.rotation_seconds <= age
        if too_old or active.algorithm != algorithm:
            await self._rotate(algorithm, replacing=active.kid)

    async def _rotate(self, algorithm: str, *, replacing: str) -> None:
        try:
            begun = await self._store.rotate(await self._new_key(algorithm), replacing=replacing)
        except RingFullError:
            _log.warning("signing key not replaced", kid=replacing, reason="too many keys are published")
            return
        if begun is not None:
            _log.info("signing key will be replaced", kid=replacing, by=begun.kid, at=begun.due_at)

    async def _provide(self) -> None:
        if self._policy.pem is None:
            if not any(record.state is KeyState.ACTIVE for record in await self._store.records()):
                await self._store.add(await self._new_key(self._policy.algorithm), KeyRole.FIRST)
            return
        pair = await asyncio.to_thread(from_pem, self._policy.pem)
        outcome = await self._store.add(pair, KeyRole.SCHEDULED, imported=True)
        if outcome is Addition.FULL:
            _log.error("OAUTH_JWT_PRIVATE_KEY is not used: too many keys are published", kid=pair.kid)
        elif outcome in (Addition.RETIRING, Addition.GONE):
            _log.warning(
                "OAUTH_JWT_PRIVATE_KEY was replaced or revoked and is not used again; set a new one, or none",
                kid=pair.kid,
            )

    def _algorithm(self) -> str:
        """Return the algorithm of keys made here; beside a key of the settings, that key's own."""
        return self._policy.algorithm if self._policy.pem is None else self._keyring.active().algorithm

    async def _new_key(self, algorithm: str) -> KeyPair:
        # Kept until it is in the ring: making one takes long, and a ring or a store that is full refuses it
        # at every look.
        known = {record.kid for record in (*await self._store.records(), *self._keyring.records)}
        if self._spare is None or self._spare.algorithm != algorithm or self._spare.kid in known:
            self._spare = await asyncio.to_thread(generate_key, algorithm)
        return self._spare
