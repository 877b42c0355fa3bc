"""Signing keys: `vt:{keys}:sealed` and `vt:{keys}:state`, two hashes by kid."""

import asyncio
import dataclasses

from redis.asyncio import Redis

from auth_server.domain.signing_keys import KeyState, SigningKey, from_pem
from shared.clock import Clock
from shared.oauth.access_token import LEEWAY, MAX_LIFETIME
from shared.redis.client import read_hash
from shared.redis.scripts import load_script
from shared.resealing import Resealer, SealedValue
from shared.sealing import Sealer

SEALED_KEYS = "vt:{keys}:sealed"
"""Private halves by kid, sealed."""

_STATE = "vt:{keys}:state"
RETIRING_SECONDS = MAX_LIFETIME + 2 * LEEWAY
"""How long a key stays published after the last signature: longer than any token it signed."""

_PURPOSE = "signing-key"


def sealed_signing_key(kid: str, sealed: str) -> SealedValue:
    """Return a sealed signing key as it was read, for sealing it again."""
    return SealedValue(SEALED_KEYS, sealed, _PURPOSE, (kid,), field=kid)


class RedisKeyringStore:
    """Implements `KeyringStore`."""

    def __init__(self, redis: Redis, sealer: Sealer, clock: Clock) -> None:
        """Take the store's client, the sealer of OAUTH_ENCRYPTION_KEY and the clock."""
        self._redis = redis
        self._sealer = sealer
        self._clock = clock
        self._resealer = Resealer(redis, sealer)
        self._imported: dict[str, SigningKey] = {}
        self._activate = load_script(
            redis, "auth_server.store.redis.lua", "activate_key", prelude="transitions"
        )

    async def load(self) -> tuple[SigningKey, ...]:
        """Return every key that is published, the active one first; remove those that are over."""
        states = await read_hash(self._redis, _STATE)
        sealed = await read_hash(self._redis, SEALED_KEYS)
        keys = []
        for kid, described in states.items():
            state, _, changed_at = described.partition(" ")
            if state not in list(KeyState) or kid not in sealed:
                # A state that is not known here was written by a newer replica: not this one's to judge.
                continue
            since = int(changed_at) / 1000
            if state == KeyState.RETIRING and self._clock.now() - since > RETIRING_SECONDS:
                await self._remove(kid)
            else:
                key = await self._opened(kid, sealed[kid])
                keys.append(dataclasses.replace(key, state=KeyState(state), since=since))
        return tuple(sorted(keys, key=lambda key: (key.state is not KeyState.ACTIVE, -key.since)))

    async def _opened(self, kid: str, sealed: str) -> SigningKey:
        # Checking an RSA key takes longer than a request: once for each key, and not on the event loop.
        key = self._imported.get(kid)
        if key is None:
            pem = self._sealer.unseal(sealed, purpose=_PURPOSE, owner=(kid,))
            key = await asyncio.to_thread(from_pem, pem, state=KeyState.RETIRING, since=0.0)
            self._imported[kid] = key
            await self._resealer.renew(sealed_signing_key(kid, sealed))
        return key

    async def _remove(self, kid: str) -> None:
        # The state stays: a key that was retired once is not taken up again by a replica with its PEM.
        await self._redis.hdel(SEALED_KEYS, kid)
        self._imported.pop(kid, None)

    async def activate(self, key: SigningKey, *, replace: bool) -> None:
        """Make a key the active one, in one script."""
        sealed = self._sealer.seal(key.pem(), purpose=_PURPOSE, owner=(key.kid,))
        await self._activate(
            keys=[SEALED_KEYS, _STATE],
            args=[int(self._clock.offset * 1000), key.kid, sealed, "1" if replace else "0"],
        )
