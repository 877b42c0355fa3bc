"""One bounded connection pool to Redis or Valkey, with timeouts short enough to answer 503 in time."""

from collections.abc import Mapping
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from shared.redis.measured import MeasuredRedis

StoreError = RedisError
"""Any fault of the store. It becomes 503 with Retry-After, never a refusal of the caller's credentials."""

MAX_CONNECTIONS = 32
CONNECT_SECONDS = 0.25
REPLY_SECONDS = 0.4
POOL_WAIT_SECONDS = 0.25


def connect(url: str) -> Redis:
    """Return a client of the store at `redis://`, `rediss://` or `unix://`; it connects on first use.

    No command is retried: a script that timed out may have run. A broken idle connection is noticed and
    replaced before use, so a restart of the store needs no retry either.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=POOL_WAIT_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=REPLY_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        protocol=3,
        # With these notifications on, the default, redis-py takes any idle connection for a good one.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    # The client owns its pool, so that closing it closes every connection.
    return MeasuredRedis.from_pool(pool)


async def read_hash(redis: Redis, key: str) -> dict[str, str]:
    """Return all fields of a hash, none when there is no such key."""
    return cast(dict[str, str], await redis.hgetall(key))


async def write_hash(redis: Redis, key: str, fields: Mapping[str, str | int], *, seconds: int) -> None:
    """Write a hash and its expiry, both or neither."""
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.hset(key, mapping=cast(Mapping[Any, Any], fields))
        pipeline.expire(key, seconds)
        await pipeline.execute()
