"""The revocation feed: who revokes writes a deny key and publishes it; every mcp_server replica keeps a list.

A deny key (`vt:deny:{grant}` or `vt:deny:{grant}:<jti>`) lives as long as a token of that grant could; with
`vt:deny:{keys}:<kid>` a signing key is revoked. The script that revokes writes and publishes in one step. A
replica subscribes, reads all deny keys, then follows the channel. To prove that it missed nothing, it sends
itself a beat through the store each second and judges by when the last one that came back was sent: a feed
that is dead, stuck or late shows alike, and no other replica is needed for it. Without that proof for
`FRESH_SECONDS` nobody may rely on the list.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable

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
_SNAPSHOT_BATCH = 1000
_MAX_BEATS_UNDER_WAY = 10

_log = get_logger("mcp:revocation")


def deny_key(grant_id: str, token_id: str | None = None) -> str:
    """Return the deny key of a grant, or of one access token of it; it shares the grant's hash slot."""
    key = f"{DENY_PREFIX}{{{grant_id}}}"
    return f"{key}:{token_id}" if token_id else key


def version_entry(version: int) -> str:
    """Return what stands in place of a token where all tokens of one version of a grant are revoked.

    A grant gets another version when its person takes scopes from it. No token has such an id.
    """
    return f"v{version}"


def signing_key_entry(kid: str) -> tuple[str, str]:
    """Return what stands in place of grant and token where a signing key is revoked, with all it signed.

    No grant has this id: theirs have 22 characters.
    """
    return ("keys", kid)


class RevocationList:
    """What is revoked, as this replica knows it, and whether it can prove that it knows everything."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        on_new_keys: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the store's client, two clocks, and whom to tell of new signing keys.

        Args:
            redis: the store's client.
            clock: the wall clock.
            monotonic: the clock that freshness is measured with, in seconds.
            on_new_keys: called when the issuer's keys changed, or may have while nobody listened.
        """
        self._redis = redis
        self._clock = clock
        self._monotonic = monotonic
        self._on_new_keys = on_new_keys
        self._beat = load_script(redis, "shared.redis.lua", "beat", allow_oom=True)
        self._own_channel = f"{CHANNEL}:{secrets.token_hex(8)}"
        self._denied: dict[str, float] = {}
        self._beats: dict[int, float] = {}
        self._beat_number = 0
        self._proved_at: float | None = None
        self._next_prune = 0.0
        self._listening = asyncio.Event()
        self._connected_before = False
        self.losses = 0
        """How often the feed was lost or fell silent."""

    def is_fresh(self) -> bool:
        """Return whether everything published up to FRESH_SECONDS ago is known."""
        return self.age() < FRESH_SECONDS

    @property
    def is_connected(self) -> bool:
        """Whether the feed is being followed."""
        return self._listening.is_set()

    def age(self) -> float:
        """Return for how many seconds nothing is proved; infinity before the first proof."""
        return float("inf") if self._proved_at is None else self._monotonic() - self._proved_at

    def is_revoked(self, grant_id: str, token_id: str) -> bool:
        """Return whether the grant, or this one token of it, was revoked."""
        return grant_id in self._denied or f"{grant_id}:{token_id}" in self._denied

    def is_key_revoked(self, kid: str) -> bool:
        """Return whether a signing key was revoked, with every token it signed."""
        return self.is_revoked(*signing_key_entry(kid))

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
            finally:
                self._listening.clear()
            self.losses += 1
            await asyncio.sleep(_RECONNECT_SECONDS[min(attempt, len(_RECONNECT_SECONDS) - 1)])
            attempt += 1

    async def send_beats(self) -> None:
        """Send a beat each second while the feed is followed, until cancelled."""
        while True:
            await self._listening.wait()
            self._beat_number += 1
            while len(self._beats) >= _MAX_BEATS_UNDER_WAY:
                del self._beats[next(iter(self._beats))]
            self._beats[self._beat_number] = self._monotonic()
            try:
                await self._beat(keys=[HEARTBEAT_KEY], args=[self._own_channel, self._beat_number])
            except (StoreError, OSError) as error:
                _log.debug("beat not sent", reason=type(error).__name__)
            await asyncio.sleep(BEAT_SECONDS)

    async def _follow(self) -> AsyncIterator[None]:
        async with self._redis.pubsub(ignore_subscribe_messages=False) as feed:
            await feed.subscribe(CHANNEL, self._own_channel)
            await self._confirmed(feed)
            await self._read_all()
            # Only beats sent from now on prove anything: earlier ones may be on another connection.
            self._beats.clear()
            self._listening.set()
            if self._connected_before:
                # What was said meanwhile was not heard.
                self._on_new_keys()
            self._connected_before = True
            heard = self._monotonic()
            while self._monotonic() - heard < SILENCE_SECONDS:
                message = await feed.get_message(timeout=BEAT_SECONDS)
                if message is None or message["type"] != "message":
                    continue
                if self._take(str(message["data"])):
                    heard = self._monotonic()
                    yield
        _log.warning("revocation feed silent", seconds=SILENCE_SECONDS)

    async def _confirmed(self, feed: PubSub) -> None:
        # Until the store has confirmed both subscriptions, a revocation could slip past the snapshot.
        awaited = {CHANNEL, self._own_channel}
        deadline = self._monotonic() + SILENCE_SECONDS
        while self._monotonic() < deadline:
            message = await feed.get_message(timeout=BEAT_SECONDS)
            if message is not None and message["type"] == "subscribe":
                awaited.discard(str(message["channel"]))
            if not awaited:
                return
        raise StoreError("the subscription was not confirmed")

    async def _read_all(self) -> None:
        keys = [key async for key in self._redis.scan_iter(match=f"{DENY_PREFIX}*", count=5000)]
        for start in range(0, len(keys), _SNAPSHOT_BATCH):
            batch = keys[start : start + _SNAPSHOT_BATCH]
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in batch:
                    pipeline.pttl(key)
                remaining = await pipeline.execute()
            for key, milliseconds in zip(batch, remaining, strict=True):
                if milliseconds > 0:
                    entry = key[len(DENY_PREFIX) :].replace("{", "").replace("}", "")
                    self._denied[entry] = self._clock.now() + milliseconds / 1000

    def _take(self, message: str) -> bool:
        """Take one message; return whether it was a beat of ours."""
        kind, _, rest = message.partition(" ")
        if kind == "deny":
            entry, _, seconds = rest.partition(" ")
            self._denied[entry] = self._clock.now() + float(seconds)
            return False
        if kind == "keys":
            self._on_new_keys()
            return False
        sent_at = self._beats.pop(int(rest), None) if kind == "beat" else None
        if sent_at is None:
            return False
        self._proved_at = max(sent_at, self._proved_at or sent_at)
        self._prune()
        return True

    def _prune(self) -> None:
        heard = self._monotonic()
        if heard < self._next_prune:
            return
        self._next_prune = heard + _PRUNE_SECONDS
        now = self._clock.now()
        for entry in [entry for entry, until in self._denied.items() if until < now]:
            del self._denied[entry]
