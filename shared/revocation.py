"""The revocation feed: who revokes writes a deny key and publishes it; every mcp_server replica keeps a list.

A deny key (`vt:deny:{grant}` or `vt:deny:{grant}:<jti>`) lives as long as a token of that grant could. The
script that revokes writes and publishes it in one step. A replica subscribes, reads all deny keys, then
follows the channel. A heartbeat through the same channel, which any replica of either tier advances, proves
that nothing was missed; without a beat for `FRESH_SECONDS` the list is not fresh and nobody may rely on it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from shared.clock import Clock
from shared.logs import get_logger
from shared.redis.client import StoreError
from shared.redis.scripts import load_script

CHANNEL = "vt:feed"
DENY_PREFIX = "vt:deny:"
HEARTBEAT_KEY = "vt:meta:heartbeat"
BEAT_SECONDS = 1.0
FRESH_SECONDS = 5.0
SILENCE_SECONDS = 3.0
_RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
_PRUNE_SECONDS = 60.0

_log = get_logger("mcp:revocation")


def deny_key(grant_id: str, token_id: str | None = None) -> str:
    """Return the deny key of a grant, or of one access token of it; it shares the grant's hash slot."""
    key = f"{DENY_PREFIX}{{{grant_id}}}"
    return f"{key}:{token_id}" if token_id else key


class Heartbeat:
    """Advances the feed's heartbeat; any number of replicas may run one."""

    def __init__(self, redis: Redis) -> None:
        """Take the store's client."""
        self._beat = load_script(redis, "shared.redis.lua", "heartbeat")

    async def run(self) -> None:
        """Beat until cancelled. A store fault is survived: it shows as missing beats."""
        while True:
            with suppress(StoreError):
                await self._beat(keys=[HEARTBEAT_KEY], args=[int(BEAT_SECONDS * 900), CHANNEL])
            await asyncio.sleep(BEAT_SECONDS / 2)


class RevocationList:
    """What is revoked, as this replica knows it, and whether it can prove that it knows everything."""

    def __init__(
        self, redis: Redis, clock: Clock, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the store's client, the wall clock and the clock that freshness is measured with."""
        self._redis = redis
        self._clock = clock
        self._monotonic = monotonic
        self._denied: dict[str, float] = {}
        self._last_beat: float | None = None
        self._next_prune = 0.0

    def is_fresh(self) -> bool:
        """Return whether a heartbeat came within the last FRESH_SECONDS."""
        return self._last_beat is not None and self._monotonic() - self._last_beat < FRESH_SECONDS

    def age(self) -> float:
        """Return the seconds since the last heartbeat; infinity before the first."""
        return float("inf") if self._last_beat is None else self._monotonic() - self._last_beat

    def is_revoked(self, grant_id: str, token_id: str) -> bool:
        """Return whether the grant, or this one token of it, was revoked."""
        return grant_id in self._denied or f"{grant_id}:{token_id}" in self._denied

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._denied)

    async def run(self) -> None:
        """Follow the feed until cancelled, reconnecting as often as it takes."""
        attempt = 0
        while True:
            try:
                async for _ in self._follow():
                    attempt = 0
            except (StoreError, OSError) as error:
                _log.warning("revocation feed lost", reason=type(error).__name__)
            await asyncio.sleep(_RECONNECT_SECONDS[min(attempt, len(_RECONNECT_SECONDS) - 1)])
            attempt += 1

    async def _follow(self) -> AsyncIterator[None]:
        async with self._redis.pubsub(ignore_subscribe_messages=False) as feed:
            await feed.subscribe(CHANNEL)
            await self._confirmed(feed)
            await self._read_all()
            heard = self._monotonic()
            while self._monotonic() - heard < SILENCE_SECONDS:
                message = await feed.get_message(timeout=BEAT_SECONDS)
                if message is None or message["type"] != "message":
                    continue
                heard = self._monotonic()
                self._take(str(message["data"]), heard)
                yield
        _log.warning("revocation feed silent", seconds=SILENCE_SECONDS)

    async def _confirmed(self, feed: PubSub) -> None:
        # Until the store has confirmed the subscription, a revocation could slip between it and the snapshot.
        deadline = self._monotonic() + SILENCE_SECONDS
        while self._monotonic() < deadline:
            message = await feed.get_message(timeout=BEAT_SECONDS)
            if message is not None and message["type"] == "subscribe":
                return
        raise StoreError("the subscription was not confirmed")

    async def _read_all(self) -> None:
        keys = [key async for key in self._redis.scan_iter(match=f"{DENY_PREFIX}*", count=5000)]
        for start in range(0, len(keys), 1000):
            batch = keys[start : start + 1000]
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in batch:
                    pipeline.pttl(key)
                remaining = await pipeline.execute()
            for key, milliseconds in zip(batch, remaining, strict=True):
                if milliseconds > 0:
                    entry = key[len(DENY_PREFIX) :].replace("{", "").replace("}", "")
                    self._denied[entry] = self._clock.now() + milliseconds / 1000

    def _take(self, message: str, heard: float) -> None:
        kind, _, rest = message.partition(" ")
        if kind == "beat":
            self._last_beat = heard
            self._prune(heard)
        elif kind == "deny":
            entry, _, seconds = rest.partition(" ")
            self._denied[entry] = self._clock.now() + float(seconds)

    def _prune(self, heard: float) -> None:
        if heard < self._next_prune:
            return
        self._next_prune = heard + _PRUNE_SECONDS
        now = self._clock.now()
        for entry in [entry for entry, until in self._denied.items() if until < now]:
            del self._denied[entry]
