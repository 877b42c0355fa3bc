"""The store's client: one server, a master that Sentinels name, or a cluster, all used in the same way.

Pools are bounded, and timeouts short enough to answer 503 in time.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from shared.redis.address import Kind, StoreAddress, parse_address
from shared.redis.cluster import ClusterClient, as_cluster
from shared.redis.connections import MAX_CONNECTIONS, POOL_WAIT_SECONDS, no_retry, options
from shared.redis.one_server import OneServerClient
from shared.redis.sentinel import MasterClient, connect_to_master

StoreError = RedisError
"""Any fault of the store. It becomes 503 with Retry-After, never a refusal of the caller's credentials."""


def connect(url: str) -> Redis:
    """Return a client of the store at a REDIS_URL (`shared.redis.address`); it connects on first use.

    No command is retried: a script that timed out may have run. A broken idle connection is noticed and
    replaced before use, so a restart of the store needs no retry either.

    Raises:
        ValueError: it is no such URL.
    """
    address = parse_address(url)
    if address.kind is Kind.SENTINEL:
        return connect_to_master(address)
    if address.kind is Kind.CLUSTER:
        # It has the methods that are used here, and is no Redis by redis-py's tree.
        return cast(Redis, ClusterClient(address))
    return _connect_to_one(address)


def _connect_to_one(address: StoreAddress) -> Redis:
    pool = BlockingConnectionPool.from_url(
        address.url,
        max_connections=MAX_CONNECTIONS,
        timeout=POOL_WAIT_SECONDS,
        retry=no_retry(),
        **options(),
    )
    # The client owns its pool, so that closing it closes every connection.
    return OneServerClient.from_pool(pool)


async def scan(redis: Redis, pattern: str, *, batch: int) -> AsyncIterator[list[str]]:
    """Yield the keys of a pattern in lists of some `batch`, of every node; a key may come twice."""
    keys: list[str] = []
    async for key in redis.scan_iter(match=pattern, count=batch):
        keys.append(str(key))
        if len(keys) >= batch:
            yield keys
            keys = []
    if keys:
        yield keys


def is_saturated(redis: Redis) -> bool:
    """Return whether one more command would wait: connections are all in use, or the shared one is slow."""
    cluster = as_cluster(redis)
    if cluster is not None:
        return cluster.is_saturated
    is_late = isinstance(redis, OneServerClient) and redis.lane.is_late
    return is_late or not redis.connection_pool.can_get_connection()


async def confirm_master(redis: Redis) -> None:
    """Let what is done from now on go to the master that the sentinels name, if there are any."""
    if isinstance(redis, MasterClient):
        await redis.confirm_master()


async def read_hash(redis: Redis, key: str) -> dict[str, str]:
    """Return all fields of a hash, none when there is no such key."""
    return cast(dict[str, str], await redis.hgetall(key))


async def write_hash(redis: Redis, key: str, fields: Mapping[str, str | int], *, seconds: int) -> None:
    """Write a hash and its expiry, both or neither."""
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.hset(key, mapping=cast(Mapping[Any, Any], fields))
        pipeline.expire(key, seconds)
        await pipeline.execute()
