"""Requests that wait for a person: `vt:pending:<hash of the handle>`, a hash, ten minutes."""

import json
from dataclasses import asdict

from redis.asyncio import Redis

from auth_server.domain import generate
from auth_server.models import PendingAuthorization
from auth_server.store.base import PENDING_SECONDS
from shared.clock import Clock
from shared.redis.client import read_hash, write_hash
from shared.redis.scripts import load_script


class RedisPendingAuthorizationStore:
    """Implements `PendingAuthorizationStore`."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        """Take the store's client and the clock."""
        self._redis = redis
        self._clock = clock
        self._take = load_script(
            redis, "auth_server.store.redis.lua", "take_pending_authorization", prelude="transitions"
        )

    async def save(self, handle: str, pending: PendingAuthorization) -> None:
        """Keep a request under a handle that only its browser knows."""
        record: dict[str, str | int] = {
            "browser": pending.browser,
            "expires_at": int((self._clock.now() + PENDING_SECONDS) * 1000),
            "request": json.dumps(asdict(pending), ensure_ascii=False),
        }
        await write_hash(self._redis, _key(handle), record, seconds=PENDING_SECONDS + 60)

    async def find(self, handle: str, browser: str) -> PendingAuthorization | None:
        """Return the request, if it is of this browser and not over."""
        record = await read_hash(self._redis, _key(handle))
        if not record or record["browser"] != browser:
            return None
        if int(record["expires_at"]) <= self._clock.now() * 1000:
            return None
        return _read(record["request"])

    async def take(self, handle: str, browser: str) -> PendingAuthorization | None:
        """Return the request as `find` does and end it, in one script."""
        request = await self._take(keys=[_key(handle)], args=[int(self._clock.offset * 1000), browser])
        return _read(request) if request else None


def _key(handle: str) -> str:
    return f"vt:pending:{generate.digest(handle)}"


def _read(request: str) -> PendingAuthorization:
    members = json.loads(request)
    return PendingAuthorization(**{**members, "scopes": tuple(members["scopes"])})
