"""Lets operations wait for another server, instead of failing, while a store fails over.

What is tried again is what certainly had no effect, because it was never sent or was refused as a whole, and
what is safe to repeat: a plain read, or a script of which its caller says so. An operation that may have run
and is neither is never sent twice.

Whoever waits holds no connection. One task asks, with growing pauses, whether the store is back; then those
who waited go on, a few at a time, so that the new master is not overrun. Their number is bounded, and so is
the time: a store that is away for longer than a failover takes is away, and is answered for at once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from redis.exceptions import BusyLoadingError, ClusterDownError, ReadOnlyError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import TimeoutError as StoreTimeoutError

from shared.logs import get_logger
from shared.redis.unsent import is_unsent

WAIT_SECONDS: Final = 3.0
"""How long one operation waits. Clients have patience for not much more."""

OUTAGE_SECONDS: Final = 5.0
"""How long a store may be away until nobody waits for it any more."""

MAX_WAITING: Final = 512
"""How many operations wait at once in one process."""

AT_ONCE: Final = 16
"""How many of those that waited go on at once: half of the connections are left for what comes new."""

_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.2

REPEATABLE: Final = {
    *("EXISTS", "GET", "HGET", "HGETALL", "HMGET", "LRANGE", "MGET", "PTTL", "TTL"),
    *("ZCARD", "ZRANGE", "ZREVRANGE", "ZSCORE"),
}
"""Plain reads; and scripts, by digest and by source, which `shared.redis.scripts` adds."""

_NEVER_WAIT: Final = frozenset({"INFO", "PING", "ROLE", "SCAN"})
"""Ask how a server is now; or go on where another command ended, which another server does not know of."""

_REFUSED: Final = (BusyLoadingError, ClusterDownError, ReadOnlyError, TryAgainError)
"""Answers of a server that did nothing at all. A script stops at its first write."""

_LOST: Final = (StoreConnectionError, StoreTimeoutError)

_Result = TypeVar("_Result")
_log = get_logger("store:failover")
_is_hurried: ContextVar[bool] = ContextVar("is_hurried", default=False)
_has_gone: ContextVar[Callable[[], Awaitable[bool]] | None] = ContextVar("has_gone", default=None)


class CrowdedError(StoreConnectionError):
    """Every connection was in use for too long. That alone is no failover."""


@contextmanager
def hurried() -> Iterator[None]:
    """Let nothing wait that is begun in this block: for work that tries again by itself, in its own time."""
    token = _is_hurried.set(True)
    try:
        yield
    finally:
        _is_hurried.reset(token)


class asked_by:  # noqa: N801 - used as a function is; a generator would cost five times as much
    """Let nothing that waited in this block go on once nobody waits for it any more."""

    __slots__ = ("_has_gone", "_token")

    def __init__(self, has_gone: Callable[[], Awaitable[bool]]) -> None:
        """Take what returns whether whoever asked has hung up."""
        self._has_gone = has_gone

    def __enter__(self) -> None:
        self._token = _has_gone.set(self._has_gone)

    def __exit__(self, *_: object) -> None:
        _has_gone.reset(self._token)


def is_repeatable(command: tuple[Any, ...]) -> bool:
    """Return whether a command may run twice."""
    name = str(command[0]).upper()
    return (command[1] if name in ("EVALSHA", "EVAL") else name) in REPEATABLE


def may_wait(command: tuple[Any, ...]) -> bool:
    """Return whether a command may be sent later than it was asked for."""
    return str(command[0]).upper() not in _NEVER_WAIT


@dataclass(frozen=True, slots=True)
class Where:
    """Where an operation goes.

    Attributes:
        part: returns the name of the part of the store that it goes to now.
        probe: returns when that part is there, and fails when it is not.
    """

    part: Callable[[], str]
    probe: Callable[[], Awaitable[object]]


class _Outage:
    """A part of the store that is away; `is_long` when nobody waits for it any more."""

    def __init__(self, part: str, longest: float) -> None:
        self.part = part
        self.longest = longest
        self.since = asyncio.get_running_loop().time()
        self.is_long = False
        self.turns = asyncio.Semaphore(AT_ONCE)
        self.task: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return asyncio.get_running_loop().time() - self.since

    def end(self, *, is_long: bool) -> None:
        """Let those who wait go on, or give up."""
        self.is_long = is_long
        self._over.set()

    async def ends_before(self, deadline: float) -> bool:
        """Return whether the part was back before a time of the event loop's clock."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._over.wait()
        except TimeoutError:
            return False
        return not self.is_long


class Patience:
    """Who waits for which part of one store. One for each client of a store that can fail over."""

    def __init__(self, *, wait_seconds: float = WAIT_SECONDS, outage_seconds: float = OUTAGE_SECONDS) -> None:
        """Take how long one operation waits, and how long a store may be away for anything to wait."""
        self._wait_seconds = wait_seconds
        self._outage_seconds = outage_seconds
        self._outages: dict[str, _Outage] = {}
        self.waiting = 0
        """How many operations wait."""

    async def run(
        self, attempt: Callable[[], Awaitable[_Result]], where: Where, *, repeatable: bool
    ) -> _Result:
        """Return what an operation returns; it is attempted again as described above.

        Args:
            attempt: does it.
            where: where it goes.
            repeatable: whether it may run twice.

        Raises:
            StoreError: it failed, or it did not come to run in time.
        """
        if _is_hurried.get():
            return await attempt()
        outage = self._outages.get(where.part()) if self._outages else None
        reason: RedisError = StoreConnectionError("another server is taking over")
        if outage is None or outage.is_long:
            try:
                result = await attempt()
            except RedisError as error:
                outage = self._noticed(error, where)
                if outage is None or not _may_repeat(error, repeatable):
                    raise
                reason = error
            else:
                if outage is not None:
                    self._end(outage)
                return result
        if self.waiting >= MAX_WAITING:
            raise reason
        self.waiting += 1
        try:
            return await self._later(attempt, where, outage, reason, repeatable)
        finally:
            self.waiting -= 1

    async def aclose(self) -> None:
        """Let nobody wait any more."""
        for outage in tuple(self._outages.values()):
            if outage.task is not None:
                outage.task.cancel()
                await asyncio.wait([outage.task])
        self._outages.clear()

    async def _later(
        self,
        attempt: Callable[[], Awaitable[_Result]],
        where: Where,
        outage: _Outage | None,
        reason: RedisError,
        repeatable: bool,
    ) -> _Result:
        deadline = asyncio.get_running_loop().time() + self._wait_seconds
        while outage is not None and await outage.ends_before(deadline):
            async with outage.turns:
                # Those who went first may have found that it is away again.
                following = self._outages.get(where.part())
                if following is None:
                    await _require_somebody(reason)
                    try:
                        return await attempt()
                    except RedisError as error:
                        following = self._noticed(error, where)
                        if not _may_repeat(error, repeatable):
                            raise
                        reason = error
                outage = following
        raise reason

    def _noticed(self, error: RedisError, where: Where) -> _Outage | None:
        """Return the outage that a fault is a sign of, if it is one that may end soon."""
        part = where.part()
        outage = self._outages.get(part)
        if outage is None and isinstance(error, (*_REFUSED, *_LOST)) and not isinstance(error, CrowdedError):
            outage = self._outages[part] = _Outage(part, self._outage_seconds)
            # Not in the context of whoever came first: it may be over long before.
            outage.task = asyncio.get_running_loop().create_task(
                self._look_after(outage, where), context=Context()
            )
            _log.warning("the store is away; what can wait for another server does", part=part)
        return None if outage is None or outage.is_long else outage

    async def _look_after(self, outage: _Outage, where: Where) -> None:
        pause = _FIRST_PAUSE
        try:
            while outage.seconds < outage.longest:
                # Not all replicas at the same moment.
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
                try:
                    await where.probe()
                except (RedisError, OSError):
                    pause = min(2 * pause, _LONGEST_PAUSE)
                else:
                    self._end(outage)
                    return
        finally:
            if outage in self._outages.values():
                _log.warning("the store stays away; nothing waits for it", part=outage.part)
                outage.end(is_long=True)

    def _end(self, outage: _Outage) -> None:
        if self._outages.get(outage.part) is outage:
            del self._outages[outage.part]
            seconds = round(outage.seconds, 1)
            _log.warning("the store is back", part=outage.part, seconds=seconds, waiting=self.waiting)
        outage.end(is_long=False)


def _may_repeat(error: RedisError, repeatable: bool) -> bool:
    if isinstance(error, (*_REFUSED, CrowdedError)) or is_unsent(error):
        return True
    return repeatable and isinstance(error, _LOST)


async def _require_somebody(reason: RedisError) -> None:
    has_gone = _has_gone.get()
    if has_gone is not None and await has_gone():
        # Who comes back asks elsewhere, and must not find that this was done meanwhile.
        raise StoreConnectionError("whoever asked has gone") from reason
