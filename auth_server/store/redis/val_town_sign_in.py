"""Signing in with Val Town: `vt:trip:<hash of the state>` and `vt:val-town-client:<hash>`, both sealed."""

import json
from dataclasses import asdict

from redis.asyncio import Redis

from auth_server.domain import generate
from auth_server.store.base import PENDING_SECONDS, SignInTrip
from shared.clock import Clock
from shared.logs import get_logger
from shared.sealing import Sealer, UnsealError

_TRIP = "val-town-trip"
_CLIENT = "val-town-client"
_log = get_logger("store:sealing")


class RedisValTownSignInStore:
    """Implements `ValTownSignInStore` for one issuer and redirect URI."""

    def __init__(self, redis: Redis, sealer: Sealer, clock: Clock, *, issuer: str, redirect_uri: str) -> None:
        """Take the store's client, the sealer, the clock, and what a registration is for."""
        self._redis = redis
        self._sealer = sealer
        self._clock = clock
        self._owner = (issuer, redirect_uri)
        self._client_key = f"vt:val-town-client:{generate.digest(' '.join(self._owner))}"

    async def save_trip(self, state: str, trip: SignInTrip) -> None:
        """Keep a trip for ten minutes."""
        content = {**asdict(trip), "until": self._clock.now() + PENDING_SECONDS}
        sealed = self._sealer.seal(
            json.dumps(content).encode(), purpose=_TRIP, owner=(generate.digest(state),)
        )
        await self._redis.set(_trip_key(state), sealed, ex=PENDING_SECONDS + 60)

    async def take_trip(self, state: str) -> SignInTrip | None:
        """Return a trip and end it. GETDEL: it is returned once."""
        sealed = await self._redis.getdel(_trip_key(state))
        if not isinstance(sealed, str):
            return None
        try:
            opened = self._sealer.unseal(sealed, purpose=_TRIP, owner=(generate.digest(state),))
        except UnsealError as error:
            _log.error("sign-in trip does not open", reason=str(error))
            return None
        members = json.loads(opened)
        return SignInTrip(**members) if members.pop("until") > self._clock.now() else None

    async def client(self) -> tuple[str, str] | None:
        """Return this server's client_id and client_secret at Val Town."""
        sealed = await self._redis.get(self._client_key)
        if not isinstance(sealed, str):
            return None
        try:
            client_id, secret = json.loads(self._sealer.unseal(sealed, purpose=_CLIENT, owner=self._owner))
        except UnsealError as error:
            # Sealed with a key that is gone: registering again mends it.
            _log.error("the registration at Val Town does not open", reason=str(error))
            await self._redis.delete(self._client_key)
            return None
        return client_id, secret

    async def keep_client(self, client_id: str, client_secret: str) -> tuple[str, str]:
        """Keep a registration, unless there is one; return the one that counts. SET NX: the first wins."""
        content = json.dumps([client_id, client_secret]).encode()
        sealed = self._sealer.seal(content, purpose=_CLIENT, owner=self._owner)
        await self._redis.set(self._client_key, sealed, nx=True)
        return await self.client() or (client_id, client_secret)

    async def forget_client(self, client_id: str) -> None:
        """Forget a registration that Val Town does not know any more; a newer one stays."""
        known = await self.client()
        if known is not None and known[0] == client_id:
            await self._redis.delete(self._client_key)


def _trip_key(state: str) -> str:
    return f"vt:trip:{generate.digest(state)}"
