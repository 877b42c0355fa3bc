"""The grants of one client, to end them with it."""

from collections.abc import AsyncIterator

from redis.asyncio import Redis

from auth_server.store.redis.grant_record import GrantKeys, client_grants_key
from shared.redis.client import scan

_BATCH = 1000
"""How many keys are scanned at once."""


async def listed(redis: Redis, client_id: str) -> list[str]:
    """Return the ids of the client's newest grants, newest first.

    Raises:
        StoreError: the store did not answer.
    """
    return [str(grant_id) for grant_id in await redis.zrevrange(client_grants_key(client_id), 0, -1)]


async def alive(redis: Redis, client_id: str) -> AsyncIterator[str]:
    """Look at every grant in the store; give the ids of those of the client that are not revoked.

    Raises:
        StoreError: the store did not answer.
    """
    async for keys in scan(redis, GrantKeys("*").grant, batch=_BATCH):
        for found in keys:
            record = await redis.hmget(found, "client", "status")
            if record[0] == client_id and record[1] != "revoked":
                yield found.partition("{")[2].partition("}")[0]
