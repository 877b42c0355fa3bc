"""What a token request is about, in one round trip: a client and a grant."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from auth_server.models import Client, Grant
from auth_server.store.redis.clients import UNUSED_SECONDS, client_key, client_of
from auth_server.store.redis.grant_record import grant_of
from auth_server.store.redis.misses import OnMiss, nothing_to_check
from shared.clock import Clock
from shared.flows.store import grant_key
from shared.redis.cluster import as_cluster
from shared.redis.one_server import OneServerClient

_FOR_EVER = -1
"""What TTL says of a key that does not expire."""


class RedisTokenRequestStore:
    """Implements `TokenRequestStore`."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        *,
        grant_idle_seconds: int,
        on_miss: OnMiss = nothing_to_check,
    ) -> None:
        """Take the store's client, the clock, how long a grant may go unused, and what to ask at a miss."""
        self._redis = redis
        self._clock = clock
        self._on_miss = on_miss
        self._lasting = UNUSED_SECONDS + grant_idle_seconds

    async def find(self, client_id: str, grant_id: str | None) -> tuple[Client | None, Grant | None]:
        """Return a client, and a grant that is pending or active."""
        client_record, left, *grant_records = await self._read(client_key(client_id), grant_id)
        if not client_record or not all(grant_records):
            await self._on_miss()
        lasts = left == _FOR_EVER or left >= self._lasting
        client = client_of(client_id, client_record, lasts=lasts)
        grant = grant_of(grant_id, grant_records[0], self._clock.now()) if grant_id is not None else None
        return client, grant

    async def _read(self, key: str, grant_id: str | None) -> list[Any]:
        commands: list[tuple[str, str]] = [("HGETALL", key), ("TTL", key)]
        if grant_id is not None:
            commands.append(("HGETALL", grant_key(grant_id)))
        if isinstance(self._redis, OneServerClient):
            return await self._redis.read_together(*commands)
        if as_cluster(self._redis) is not None:
            # They are on several nodes, so there is no one round trip; and each waits for its node by itself.
            execute: Callable[..., Awaitable[Any]] = self._redis.execute_command
            return list(await asyncio.gather(*(execute(*each) for each in commands)))
        async with self._redis.pipeline(transaction=False) as pipeline:
            for each in commands:
                pipeline.execute_command(*each)
            return list(await pipeline.execute())
