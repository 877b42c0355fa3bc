"""Client assertions that were used: `vt:once:assertion:<hash of client_id and jti>`, until they are over."""

import json

from redis.asyncio import Redis

from auth_server.domain import generate


class RedisAssertionStore:
    """Implements `AssertionStore`."""

    def __init__(self, redis: Redis) -> None:
        """Take the store's client."""
        self._redis = redis

    async def use(self, client_id: str, jti: str, *, seconds: int) -> bool:
        """Note an assertion; SET NX tells who was the first."""
        key = f"vt:once:assertion:{generate.digest(json.dumps([client_id, jti]))}"
        return bool(await self._redis.set(key, "1", nx=True, ex=max(seconds, 1)))
