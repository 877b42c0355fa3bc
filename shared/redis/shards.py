"""The parts of a store that fail apart from each other: one, or the primaries of a cluster."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count

from redis.asyncio import Redis
from redis.crc import key_slot

from shared.redis.cluster import as_cluster


@dataclass(frozen=True, slots=True)
class Shard:
    """One part.

    Attributes:
        redis: a client of it alone.
        slots: the hash slots that it has; None: all of them, whoever serves them.
    """

    redis: Redis
    slots: frozenset[int] | None = None

    def has(self, slot: int) -> bool:
        """Return whether a hash slot is here."""
        return self.slots is None or slot in self.slots

    def key(self, name: str) -> str:
        """Return a key with this name, tagged so that it is here."""
        if self.slots is None:
            return name
        return next(key for number in count() if slot_of(key := f"{name}:{{{number}}}") in self.slots)


def slot_of(key: str) -> int:
    """Return the hash slot of a key."""
    return int(key_slot(key.encode()))


def is_cluster(redis: Redis) -> bool:
    """Return whether a store has more than one part."""
    return as_cluster(redis) is not None


async def layout(redis: Redis) -> dict[tuple[str, int], frozenset[int]]:
    """Return the address of every part with its slots, as the store says now; nothing for one part.

    Raises:
        StoreError: no node answers.
    """
    cluster = as_cluster(redis)
    return {} if cluster is None else await cluster.shards()


@asynccontextmanager
async def shards_of(redis: Redis) -> AsyncIterator[tuple[Shard, ...]]:
    """Give every part of a store; those of a cluster with connections of their own, closed at the end.

    Raises:
        StoreError: no node answers.
    """
    cluster = as_cluster(redis)
    if cluster is None:
        yield (Shard(redis),)
        return
    async with AsyncExitStack() as stack:
        found = []
        for (host, port), slots in (await cluster.shards()).items():
            found.append(Shard(await stack.enter_async_context(cluster.client_of(host, port)), slots))
        yield tuple(found)
