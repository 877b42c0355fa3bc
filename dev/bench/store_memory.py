"""What the store holds, in bytes: data and its places in the tables, without connections and buffers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from redis import Redis

MEGABYTE: Final = 1024 * 1024
_BATCH: Final = 1000


@contextmanager
def opened(url: str) -> Iterator["StoreMemory"]:
    """Look into the store at this URL, for the length of the block."""
    redis = Redis.from_url(url)
    try:
        yield StoreMemory(redis)
    finally:
        redis.close()


class StoreMemory:
    """The memory of one store."""

    def __init__(self, redis: Redis) -> None:
        """Take a client."""
        self._redis: Any = redis

    def held(self) -> int:
        """Return the bytes of all records, timelines of attempts excepted.

        They do not grow with grants or clients: their number is bounded, and they go after a day.
        """
        stats = self._redis.memory_stats()
        tables = 0
        for name, value in stats.items():
            if name.startswith("db.") and isinstance(value, dict):
                tables += value.get("overhead.hashtable.main", 0) + value.get("overhead.hashtable.expires", 0)
        return int(stats["dataset.bytes"]) + int(tables) - self._of("vt:flow:*")

    def average(self, pattern: str) -> float:
        """Return the bytes that a key of this pattern takes; 0 when there is none."""
        sizes = [size or 0 for size in self._each(pattern, "memory_usage")]
        return sum(sizes) / len(sizes) if sizes else 0.0

    def without_an_end(self, pattern: str) -> int:
        """Return how many keys of this pattern would stay for ever."""
        return sum(life == -1 for life in self._each(pattern, "ttl"))

    def end(self, pattern: str) -> None:
        """Let the life of every key of this pattern be over."""
        for keys in self._batches(pattern):
            pipeline = self._redis.pipeline(transaction=False)
            for key in keys:
                pipeline.pexpire(key, 1)
            pipeline.execute()
        time.sleep(0.05)
        for _ in self._batches(pattern):
            # A scan removes what is over.
            pass

    def commands(self) -> int:
        """Return how many commands it has carried out, those inside scripts too."""
        return int(self._redis.info("stats")["total_commands_processed"])

    def process_id(self) -> int:
        """Return the store's process."""
        return int(self._redis.info("server")["process_id"])

    def _of(self, pattern: str) -> int:
        return sum(size or 0 for size in self._each(pattern, "memory_usage"))

    def _each(self, pattern: str, command: str) -> Iterator[int]:
        for keys in self._batches(pattern):
            pipeline = self._redis.pipeline(transaction=False)
            for key in keys:
                getattr(pipeline, command)(key)
            yield from pipeline.execute()

    def _batches(self, pattern: str) -> Iterator[list[bytes]]:
        cursor = 0
        while True:
            cursor, keys = self._redis.scan(cursor, match=pattern, count=_BATCH)
            if keys:
                yield keys
            if cursor == 0:
                return
