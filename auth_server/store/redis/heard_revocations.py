"""Follows what other processes revoke, operators' commands among them, to revoke it again after a failover.

A command ends, and a replica may die with the master: what they revoked last would be lost with them. The
script that revokes publishes it, so each auth_server knows of it, and any of them repeats it.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from redis.asyncio import Redis

from auth_server.domain.signing_keys import generate_key
from auth_server.store.redis.grants import RedisGrantStore
from auth_server.store.redis.keyring import RedisKeyringStore
from auth_server.store.redis.recent_revocations import RecentRevocations
from shared.logs import get_logger
from shared.redis.client import StoreError
from shared.redis.shards import Shard, shards_of
from shared.revocation import CHANNEL, signing_key_entry

_AGAIN_SECONDS: Final = 0.3
_LOOK_SECONDS: Final = 1.0
_KEYS: Final = signing_key_entry("")[0]
_VERSION: Final = re.compile(r"v\d+")
_log = get_logger("store:watch")


class HeardRevocations:
    """Listens for as long as the service runs; nothing that was said while it did not is asked for."""

    def __init__(
        self,
        redis: Redis,
        recent: RecentRevocations,
        grants: RedisGrantStore,
        ring: RedisKeyringStore,
        *,
        algorithm: str,
    ) -> None:
        """Take the store, where revocations are recorded, and who makes them again.

        Args:
            redis: the store's client.
            recent: what is revoked again in a new epoch.
            grants: for grants and tokens.
            ring: for signing keys.
            algorithm: of a key that takes a revoked one's place.
        """
        self._redis = redis
        self._recent = recent
        self._grants = grants
        self._ring = ring
        self._algorithm = algorithm
        self._anew = asyncio.Event()

    def resync(self) -> None:
        """Listen to the servers of now: those of before may be gone without a word."""
        self._anew.set()

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            self._anew.clear()
            try:
                async with shards_of(self._redis) as shards:
                    await self._follow_all(shards)
            except (StoreError, OSError) as error:
                _log.debug("revocations not heard", reason=type(error).__name__)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _follow_all(self, shards: Sequence[Shard]) -> None:
        try:
            await asyncio.gather(*(self._follow(shard) for shard in shards))
        finally:
            # Should one have failed, the others must not go on beside their successors.
            self._anew.set()

    async def _follow(self, shard: Shard) -> None:
        async with shard.redis.pubsub(ignore_subscribe_messages=True) as feed:
            await feed.subscribe(CHANNEL)
            while not self._anew.is_set():
                message = await feed.get_message(timeout=_LOOK_SECONDS)
                if message is not None:
                    self._take(str(message["data"]))

    def _take(self, message: str) -> None:
        kind, _, rest = message.partition(" ")
        entry, _, seconds = rest.partition(" ")
        if kind != "deny":
            return
        owner, _, part = entry.partition(":")
        if owner == _KEYS:
            self._recent.add_heard(entry, partial(self._revoke_key, part))
        elif not _VERSION.fullmatch(part):
            # A grant that was narrowed is left to who knows what it was narrowed to.
            with suppress(ValueError):
                self._grants.heard(owner, part, seconds=float(seconds))

    async def _revoke_key(self, kid: str) -> None:
        substitute = await asyncio.to_thread(generate_key, self._algorithm)
        await self._ring.revoke(kid, substitute=substitute)
