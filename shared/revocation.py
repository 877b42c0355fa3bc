"""The revocation feed: who revokes writes a deny key and publishes it; every mcp_server replica keeps a list.

A deny key (`vt:deny:{grant}` or `vt:deny:{grant}:<jti>`) lives as long as a token of that grant could; with
`vt:deny:{keys}:<kid>` a signing key is revoked. The script that revokes writes and publishes in one step. A
replica subscribes, reads all deny keys, then follows the channel. To prove that it missed nothing, it sends
itself a beat through the store each second and judges by when the last one that came back was sent: a feed
that is dead, stuck or late shows alike, and no other replica is needed for it. Without that proof for
`FRESH_SECONDS` nobody may rely on the list.

In a cluster each primary is followed on a connection of its own, with beats of its own: what one of them has
published says nothing about another. Where one is away, nobody can tell what became of the grants in its
slots.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from shared.clock import Clock
from shared.logs import get_logger
from shared.redis.client import StoreError
from shared.redis.scripts import load_script
from shared.redis.shards import Shard, is_cluster, layout, shards_of, slot_of

CHANNEL = "vt:feed"
DENY_PREFIX = "vt:deny:"
HEARTBEAT_KEY = "vt:meta:heartbeat"
BEAT_SECONDS = 1.0
FRESH_SECONDS = 5.0
SILENCE_SECONDS = 3.0
_RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.3)
"""Short to the end: a failover takes 2.5 s, the last beat may be a second older, and 5 s are all there is."""
_PRUNE_SECONDS = 60.0
_SNAPSHOT_BATCH = 1000
_MAX_BEATS_UNDER_WAY = 10
_LAYOUT_SECONDS = 5.0
"""How often a cluster is asked which node has which slots."""

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


def entries_against(grant_id: str, token_id: str, version: int, kid: str) -> tuple[str, ...]:
    """Return everything in a list of revocations that would end an access token.

    Args:
        grant_id: of the token's grant.
        token_id: its `jti`.
        version: of the grant, as the token has it.
        kid: of the key that signed it.
    """
    keys, key = signing_key_entry(kid)
    tokens = (_entry(grant_id, token_id), _entry(grant_id, version_entry(version)))
    return (grant_id, *tokens, keys, _entry(keys, key))


def _entry(grant_id: str, token_id: str) -> str:
    return f"{grant_id}:{token_id}"


class RevocationList:
    """What is revoked, as this replica knows it, and whether it can prove that it knows everything."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        on_new_keys: Callable[[], None] = lambda: None,
        holds_data: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """Take the store's client, two clocks, and whom to tell of new signing keys.

        Args:
            redis: the store's client.
            clock: the wall clock.
            monotonic: the clock that freshness is measured with, in seconds.
            on_new_keys: called when the issuer's keys changed, or may have while nobody listened.
            holds_data: returns whether the store has data at all; one that has lost them proves nothing.
        """
        self._redis = redis
        self._clock = clock
        self.monotonic = monotonic
        self.on_new_keys = on_new_keys
        self._holds_data = holds_data
        self._is_empty = False
        self._denied: dict[str, float] = {}
        self._feeds: Sequence[_Feed] = ()
        self._keys_slot = slot_of(deny_key(*signing_key_entry("")))
        self._next_prune = 0.0
        self._anew = asyncio.Event()
        self._beat_wanted = asyncio.Event()
        self.losses = 0
        """How often a feed was lost or fell silent."""

    def is_fresh(self, grant_id: str | None = None) -> bool:
        """Return whether everything published up to FRESH_SECONDS ago is known.

        About one grant and the signing keys, or else about all there is.
        """
        return self.age(grant_id) < FRESH_SECONDS

    @property
    def is_connected(self) -> bool:
        """Whether the feed of every part of the store is being followed."""
        return bool(self._feeds) and all(feed.is_listening for feed in self._feeds)

    def age(self, grant_id: str | None = None) -> float:
        """Return for how many seconds nothing is proved; infinity before the first proof."""
        feeds = self._feeds
        if grant_id is not None and len(feeds) > 1:
            slots = (slot_of(deny_key(grant_id)), self._keys_slot)
            feeds = [feed for feed in feeds if any(feed.shard.has(slot) for slot in slots)]
            if not all(any(feed.shard.has(slot) for feed in feeds) for slot in slots):
                return float("inf")
        if len(feeds) == 1:
            return feeds[0].age()
        return max((feed.age() for feed in feeds), default=float("inf"))

    def is_revoked(self, grant_id: str, token_id: str) -> bool:
        """Return whether the grant, or this one token of it, was revoked."""
        return grant_id in self._denied or _entry(grant_id, token_id) in self._denied

    def has_any(self, entries: tuple[str, ...]) -> bool:
        """Return whether one of these entries, as `entries_against` gives them, was revoked."""
        return not self._denied.keys().isdisjoint(entries)

    def is_key_revoked(self, kid: str) -> bool:
        """Return whether a signing key was revoked, with every token it signed."""
        return self.is_revoked(*signing_key_entry(kid))

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._denied)

    def resync(self) -> None:
        """Subscribe and read everything anew, because the store may have lost or gained something unheard.

        What is known to be revoked stays so.
        """
        self._anew.set()

    async def run(self) -> None:
        """Follow the feed until cancelled, reconnecting as often as it takes."""
        while True:
            self._anew.clear()
            try:
                async with shards_of(self._redis) as shards:
                    await self._follow_all(shards)
            except (StoreError, OSError) as error:
                _log.warning("revocation feed lost", reason=type(error).__name__)
                await asyncio.sleep(_RECONNECT_SECONDS[-1])

    async def send_beats(self) -> None:
        """Send a beat each second where the feed is followed, until cancelled."""
        while True:
            self._beat_wanted.clear()
            if not await self._was_emptied():
                await asyncio.gather(*(feed.send_beat() for feed in self._feeds if feed.is_listening))
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._beat_wanted.wait()

    async def _was_emptied(self) -> bool:
        """Return whether the store answers and has nothing: revocations are lost with all the rest."""
        if self._holds_data is None:
            return False
        try:
            is_empty = not await self._holds_data()
        except (StoreError, OSError):
            # Then a beat will not come back either.
            return False
        if is_empty and not self._is_empty:
            _log.error("the store is empty: no auth_server has begun to use it, or it has lost its data")
        self._is_empty = is_empty
        return is_empty

    async def _follow_all(self, shards: Sequence[Shard]) -> None:
        # What was proved until now still holds, though maybe of other parts.
        proofs = [feed.proved_at for feed in self._feeds]
        proved_at = (
            None if None in proofs or not proofs else min(proof for proof in proofs if proof is not None)
        )
        feeds = [_Feed(self, shard, self._anew, proved_at) for shard in shards]
        self._feeds = feeds
        try:
            await asyncio.gather(*(feed.run() for feed in feeds), self._watch_layout())
        finally:
            # Should one have failed, the others must not go on beside their successors.
            self._anew.set()

    async def _watch_layout(self) -> None:
        """Return when the nodes of a cluster or their slots are others, or all is to be read anew."""
        known = await layout(self._redis)
        while not self._anew.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAYOUT_SECONDS if is_cluster(self._redis) else None):
                    await self._anew.wait()
            with suppress(StoreError, OSError):
                if await layout(self._redis) != known:
                    _log.info("the cluster has changed")
                    self._anew.set()

    def listening(self) -> None:
        """Let a beat be sent at once: a feed has begun to listen."""
        self._beat_wanted.set()

    def deny(self, entry: str, seconds: float) -> None:
        """Take a revocation in, for so many seconds from now."""
        self._denied[entry] = self._clock.now() + seconds

    def prune(self) -> None:
        """Forget, now and then, what is over."""
        heard = self.monotonic()
        if heard < self._next_prune:
            return
        self._next_prune = heard + _PRUNE_SECONDS
        now = self._clock.now()
        for entry in [entry for entry, until in self._denied.items() if until < now]:
            del self._denied[entry]


class _Feed:
    """What one part of the store publishes, and the proof that nothing of it was missed."""

    def __init__(
        self, revocations: RevocationList, shard: Shard, end: asyncio.Event, proved_at: float | None
    ) -> None:
        self.shard = shard
        self.proved_at = proved_at
        self.is_listening = False
        self._list = revocations
        self._end = end
        self._beat = load_script(shard.redis, "shared.redis.lua", "beat", allow_oom=True)
        self._beat_key = shard.key(HEARTBEAT_KEY)
        self._own_channel = f"{CHANNEL}:{secrets.token_hex(8)}"
        self._beats: dict[int, float] = {}
        self._beat_number = 0
        self._connected_before = proved_at is not None

    def age(self) -> float:
        """Return for how many seconds nothing is proved; infinity before the first proof."""
        return float("inf") if self.proved_at is None else self._list.monotonic() - self.proved_at

    async def run(self) -> None:
        """Follow until told to end, reconnecting as often as it takes."""
        attempt = 0
        while not self._end.is_set():
            try:
                async for _ in self._follow():
                    attempt = 0
            except (StoreError, OSError) as error:
                _log.warning("revocation feed lost", reason=type(error).__name__)
            finally:
                self.is_listening = False
            if not self._end.is_set():
                self._list.losses += 1
                await asyncio.sleep(_RECONNECT_SECONDS[min(attempt, len(_RECONNECT_SECONDS) - 1)])
            attempt += 1

    async def send_beat(self) -> None:
        """Send one beat."""
        self._beat_number += 1
        while len(self._beats) >= _MAX_BEATS_UNDER_WAY:
            del self._beats[next(iter(self._beats))]
        self._beats[self._beat_number] = self._list.monotonic()
        try:
            await self._beat(keys=[self._beat_key], args=[self._own_channel, self._beat_number])
        except (StoreError, OSError) as error:
            _log.debug("beat not sent", reason=type(error).__name__)

    async def _follow(self) -> AsyncIterator[None]:
        async with self.shard.redis.pubsub(ignore_subscribe_messages=False) as feed:
            await feed.subscribe(CHANNEL, self._own_channel)
            await self._confirmed(feed)
            await self._read_all()
            # Only beats sent from now on prove anything: earlier ones may be on another connection.
            self._beats.clear()
            self.is_listening = True
            self._list.listening()
            if self._connected_before:
                # What was said meanwhile was not heard.
                self._list.on_new_keys()
            self._connected_before = True
            heard = self._list.monotonic()
            while (silence := self._list.monotonic() - heard) < SILENCE_SECONDS:
                message = await feed.get_message(timeout=min(BEAT_SECONDS, SILENCE_SECONDS - silence))
                if self._end.is_set():
                    return
                if message is None or message["type"] != "message":
                    continue
                if self._take(str(message["data"])):
                    heard = self._list.monotonic()
                    yield
        _log.warning("revocation feed silent", seconds=SILENCE_SECONDS)

    async def _confirmed(self, feed: PubSub) -> None:
        # Until the store has confirmed both subscriptions, a revocation could slip past the snapshot.
        awaited = {CHANNEL, self._own_channel}
        deadline = self._list.monotonic() + SILENCE_SECONDS
        while self._list.monotonic() < deadline:
            message = await feed.get_message(timeout=BEAT_SECONDS)
            if message is not None and message["type"] == "subscribe":
                awaited.discard(str(message["channel"]))
            if not awaited:
                return
        raise StoreError("the subscription was not confirmed")

    async def _read_all(self) -> None:
        redis = self.shard.redis
        keys = [key async for key in redis.scan_iter(match=f"{DENY_PREFIX}*", count=5000)]
        for start in range(0, len(keys), _SNAPSHOT_BATCH):
            batch = keys[start : start + _SNAPSHOT_BATCH]
            async with redis.pipeline(transaction=False) as pipeline:
                for key in batch:
                    pipeline.pttl(key)
                remaining = await pipeline.execute()
            for key, milliseconds in zip(batch, remaining, strict=True):
                if milliseconds > 0:
                    entry = key[len(DENY_PREFIX) :].replace("{", "").replace("}", "")
                    self._list.deny(entry, milliseconds / 1000)

    def _take(self, message: str) -> bool:
        """Take one message; return whether it was a beat of ours."""
        kind, _, rest = message.partition(" ")
        if kind == "deny":
            entry, _, seconds = rest.partition(" ")
            self._list.deny(entry, float(seconds))
            return False
        if kind == "keys":
            self._list.on_new_keys()
            return False
        sent_at = self._beats.pop(int(rest), None) if kind == "beat" else None
        if sent_at is None:
            return False
        self.proved_at = max(sent_at, self.proved_at or sent_at)
        self._list.prune()
        return True
