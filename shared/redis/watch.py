"""Looks at the store once a second: whether it may drop keys, and whether other servers hold the data now.

A failover or a restart can lose what was acknowledged last, because replicas follow a moment later. It shows
in the servers' own ids (`run_id`, `master_replid`), which are noted in the store: `vt:meta:epoch`. Another
identity begins a new epoch, and whoever has to do something about what may be lost is told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoPermissionError

from shared.clock import Clock
from shared.logs import get_logger
from shared.redis.client import StoreError, confirm_master
from shared.redis.scripts import load_script
from shared.redis.shards import is_cluster

LOOK_SECONDS: Final = 1.0
EPOCH_KEY: Final = "vt:meta:epoch"
EVICTS_NOTHING: Final = "noeviction"

_SECTIONS: Final = ("server", "replication", "memory")
_log = get_logger("store:watch")

OnEpoch = Callable[[], Awaitable[None]]


class StoreWatch:
    """What the last look has shown. One for each process; nothing is asked of the store for a request."""

    def __init__(self, redis: Redis, clock: Clock, *, on_epoch: OnEpoch | None = None) -> None:
        """Take the store's client, the clock, and whom to tell of a new epoch, until that succeeds."""
        self._redis = redis
        self._clock = clock
        self._on_epoch = on_epoch
        self._notice = load_script(redis, "shared.redis.lua", "notice_epoch")
        self._identity = ""
        self._changed_at = 0
        self._untold = False
        self._policies: frozenset[str] = frozenset()
        self._is_hidden = False

    async def run(self) -> None:
        """Look each second until cancelled."""
        while True:
            try:
                await self.look()
                await self._tell()
            except (StoreError, OSError) as error:
                _log.debug("store not looked at", reason=type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once.

        Raises:
            StoreError: the store did not answer, or a part of it.
        """
        try:
            await confirm_master(self._redis)
            described = await describe(self._redis)
        except NoPermissionError:
            if not self._is_hidden:
                _log.warning("the store does not tell about itself: give this user the right to INFO")
            self._is_hidden = True
            return
        self._judge(policies_of(described))
        identity = _identity(described)
        if identity != self._identity:
            await self._enter(identity)

    async def evicts_nothing(self) -> bool:
        """Return whether the store keeps what it has, as far as is known: a check of readiness."""
        return not self._policies - {EVICTS_NOTHING}

    def epoch(self, *, seconds: float) -> str | None:
        """Return the name of the epoch that began within so many seconds; None when none did."""
        if self._changed_at and self._clock.now() - self._changed_at / 1000 < seconds:
            return str(self._changed_at)
        return None

    async def _enter(self, identity: str) -> None:
        offset = int(self._clock.offset * 1000)
        self._changed_at = int(await self._notice(keys=[EPOCH_KEY], args=[offset, identity]))
        if self._identity:
            self._untold = True
            _log.warning("the store failed over or was restarted: what it acknowledged last may be lost")
        self._identity = identity

    async def _tell(self) -> None:
        if self._untold and self._on_epoch is not None:
            await self._on_epoch()
            self._untold = False

    def _judge(self, policies: frozenset[str]) -> None:
        if policies != self._policies and policies - {EVICTS_NOTHING}:
            _log.error(
                "maxmemory-policy must be noeviction: when it is full, this store forgets revocations",
                policies=sorted(policies),
            )
        self._policies = policies


async def describe(redis: Redis) -> list[Mapping[str, Any]]:
    """Return what every server that takes writes says of itself (INFO).

    Raises:
        StoreError: one did not answer, or may not be asked.
    """
    if is_cluster(redis):
        every = await redis.info(*_SECTIONS, target_nodes=RedisCluster.PRIMARIES)
        # Of a single node the answer comes without its name.
        return [every] if "run_id" in every else list(every.values())
    return [await redis.info(*_SECTIONS)]


def policies_of(described: list[Mapping[str, Any]]) -> frozenset[str]:
    """Return each maxmemory-policy that is set somewhere."""
    return frozenset(str(one.get("maxmemory_policy", EVICTS_NOTHING)) for one in described)


def _identity(described: list[Mapping[str, Any]]) -> str:
    servers = sorted(f"{one.get('run_id', '')} {one.get('master_replid', '')}" for one in described)
    return sha256("\n".join(servers).encode()).hexdigest()[:32]
