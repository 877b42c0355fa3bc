"""Signing keys: `vt:{keys}:sealed`, `vt:{keys}:state`; and the check that all have one encryption key."""

from redis.asyncio import Redis

from auth_server.domain.signing_keys import KeyState, SigningKey, from_pem
from shared.clock import Clock
from shared.redis.client import read_hash
from shared.redis.scripts import load_script
from shared.sealing import Sealer, UnsealError

_SEALED = "vt:{keys}:sealed"
_STATE = "vt:{keys}:state"
_CHECK_VALUE = "vt:meta:key-check"
_PURPOSE = "signing-key"


class RedisKeyringStore:
    """Implements `KeyringStore`."""

    def __init__(self, redis: Redis, sealer: Sealer, clock: Clock) -> None:
        """Take the store's client, the sealer of OAUTH_ENCRYPTION_KEY and the clock."""
        self._redis = redis
        self._sealer = sealer
        self._clock = clock
        self._activate = load_script(
            redis, "auth_server.store.redis.lua", "activate_key", prelude="transitions"
        )

    async def load(self) -> tuple[SigningKey, ...]:
        """Return every key that is published, the active one first."""
        states = await read_hash(self._redis, _STATE)
        sealed = await read_hash(self._redis, _SEALED)
        keys = []
        for kid, described in states.items():
            state, _, since = described.partition(" ")
            if kid in sealed:
                pem = self._sealer.unseal(sealed[kid], purpose=_PURPOSE, owner=(kid,))
                keys.append(from_pem(pem, state=KeyState(state), since=int(float(since)) / 1000))
        return tuple(sorted(keys, key=lambda key: (key.state is not KeyState.ACTIVE, -key.since)))

    async def activate(self, key: SigningKey, *, replace: bool) -> None:
        """Make a key the active one, in one script."""
        sealed = self._sealer.seal(key.pem(), purpose=_PURPOSE, owner=(key.kid,))
        await self._activate(
            keys=[_SEALED, _STATE],
            args=[int(self._clock.offset * 1000), key.kid, sealed, "1" if replace else "0"],
        )

    async def check_encryption_key(self) -> bool:
        """Return whether the store was sealed with this process's key; claims an empty store."""
        mine = self._sealer.seal(b"val-town-mcp", purpose="key-check", owner=())
        await self._redis.set(_CHECK_VALUE, mine, nx=True)
        kept = await self._redis.get(_CHECK_VALUE)
        try:
            return self._sealer.unseal(str(kept), purpose="key-check", owner=()) == b"val-town-mcp"
        except UnsealError:
            return False
