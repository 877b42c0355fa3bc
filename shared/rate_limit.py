"""Limits: buckets of tokens in the store, one short-lived key each, the same for every replica.

There is none per address: strangers share addresses, and whoever attacks has many. What each limit is for,
and what happens at its end, is told in docs/adr/0009-limits-that-lock-nobody-out.md.
"""

import math
from dataclasses import dataclass

from redis.asyncio import Redis

from shared.clock import Clock
from shared.metrics import RATE_LIMITED
from shared.oauth.errors import TooManyRequests
from shared.redis.scripts import load_script

_MILLISECONDS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Limit:
    """How often something may happen.

    Attributes:
        name: part of the bucket's key.
        burst: how often at once, from a full bucket.
        per_hour: how often from then on.
    """

    name: str
    burst: int
    per_hour: int


class RateLimiter:
    """Counts what may not happen too often."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        """Take the store's client and the clock."""
        self._clock = clock
        self._take = load_script(redis, "shared.redis.lua", "take_tokens", repeatable=True)

    async def take(self, limit: Limit, subject: str = "", *, cost: int = 1) -> None:
        """Count one event.

        Args:
            limit: which bucket.
            subject: whose, of something that exists in the store, so that nobody can make buckets at will;
                empty when there is one bucket for all.
            cost: how many tokens it takes.

        Raises:
            TooManyRequests: the bucket is empty; it says when to come back. Nothing was counted.
            StoreError: nothing is known; the caller answers 503.
        """
        wait = await self._take(
            keys=[f"vt:limit:{limit.name}:{subject}"],
            args=[
                int(self._clock.offset * 1000),
                max(_MILLISECONDS_PER_HOUR // limit.per_hour, 1),
                limit.burst,
                cost,
            ],
        )
        if wait:
            RATE_LIMITED.inc(limit.name)
            raise TooManyRequests(
                "There were too many of these requests. Try again later.", retry_after=math.ceil(wait / 1000)
            )
