"""Lua scripts kept in files beside the repository that runs them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from shared.redis.cluster import as_cluster
from shared.redis.connections import WAIT_MILLISECONDS
from shared.redis.measured import SCRIPT_NAMES
from shared.redis.one_server import OneServerClient
from shared.redis.patience import REPEATABLE
from shared.redis.sentinel import MasterClient

Argument = str | int | float


class NotReplicatedError(RedisError):
    """A write was done, and too few replicas confirmed it in time: a failover could lose it."""


class Script:
    """One script. It runs by digest, and is sent whole to a store that has forgotten it."""

    def __init__(self, redis: Redis, source: str) -> None:
        """Take the store's client and the source."""
        self._redis = redis
        self._lane = redis.lane if isinstance(redis, OneServerClient) else None
        # One kind of client or none: a single server has no need of its own way to do this.
        several = as_cluster(redis) or (redis if isinstance(redis, MasterClient) else None)
        self._together = self._in_one_pipeline if several is None else several.execute_together
        self._execute: Callable[..., Awaitable[Any]] = redis.execute_command
        self.source = source
        # The store's name for a script, no protection of anything.
        self.digest: Final = sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, *, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Return what the script returns.

        Raises:
            StoreError: it failed, or nothing is known about it.
        """
        parts = (len(keys), *keys, *args)
        try:
            return await self._execute("EVALSHA", self.digest, *parts)
        except NoScriptError:
            return await self._execute("EVAL", self.source, *parts)

    async def each(self, calls: Sequence[tuple[Sequence[str], Sequence[Argument]]]) -> list[Any]:
        """Return what the script returns for each of these keys and arguments, sent together.

        Each call is atomic, all of them together are not, and their keys may be anywhere.

        Raises:
            StoreError: one failed, or nothing is known about it.
        """
        async with self._redis.pipeline(transaction=False) as pipeline:
            for keys, args in calls:
                pipeline.execute_command("EVALSHA", self.digest, len(keys), *keys, *args)
            replies = list(await pipeline.execute(raise_on_error=False))
        for number, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):
                keys, args = calls[number]
                replies[number] = await self(keys=keys, args=args)
            elif isinstance(reply, Exception):
                raise reply
        return replies

    async def settled(
        self, *, keys: Sequence[str], args: Sequence[Argument], replicas: int = 0
    ) -> tuple[Any, bool]:
        """Run the script to its end, even if whoever waits for it is cancelled.

        Args:
            keys: of one hash slot.
            args: as the script says.
            replicas: how many must confirm its writes.

        Returns:
            What the script returns, and whether so many have confirmed it within WAIT_MILLISECONDS.

        Raises:
            StoreError: it failed, or nothing is known about it.
        """
        if not replicas and self._lane is not None and self._lane.is_open:
            # It goes out whoever waits, and a store that does not know it has done nothing.
            return await self(keys=keys, args=args), True
        running = asyncio.create_task(self._settle(keys, args, replicas))
        running.add_done_callback(_forget)
        return await asyncio.shield(running)

    async def _settle(self, keys: Sequence[str], args: Sequence[Argument], replicas: int) -> tuple[Any, bool]:
        if not replicas:
            return await self(keys=keys, args=args), True
        parts = (len(keys), *keys, *args)
        # WAIT counts for the writes of its own connection alone, and a script cannot wait.
        wait = ("WAIT", replicas, WAIT_MILLISECONDS)
        result, confirmed = await self._together(keys[0], ("EVALSHA", self.digest, *parts), wait)
        if isinstance(result, NoScriptError):
            result, confirmed = await self._together(keys[0], ("EVAL", self.source, *parts), wait)
        if isinstance(result, Exception):
            raise result
        return result, isinstance(confirmed, int) and confirmed >= replicas

    async def _in_one_pipeline(self, _key: str, *commands: Sequence[Any]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return list(await pipeline.execute(raise_on_error=False))


def load_script(
    redis: Redis,
    package: str,
    name: str,
    *,
    prelude: str | tuple[str, ...] = (),
    allow_oom: bool = False,
    repeatable: bool = False,
) -> Script:
    """Return the script `<name>.lua` of a package.

    Args:
        redis: the store's client.
        package: where the file is.
        name: the file's name without ending.
        prelude: other files of the package whose local functions the script uses, in this order.
        allow_oom: also runs when the store is full; for what takes rights away, and must not fail then.
        repeatable: running it twice with the same arguments is as good as once, so it is sent again when
            nobody knows whether it ran (`shared.redis.patience`).
    """
    preludes = (prelude,) if isinstance(prelude, str) else prelude
    source = "".join(_read(package, part) for part in (*preludes, name))
    # With the shebang a script on a cluster cannot touch a key of another hash slot, and a store that is full
    # or read-only refuses it before it has written anything.
    shebang = "#!lua flags=allow-oom\n" if allow_oom else "#!lua\n"
    script = Script(redis, shebang + source)
    SCRIPT_NAMES[script.digest] = name
    if repeatable:
        REPEATABLE.update((script.digest, script.source))
    return script


def _read(package: str, name: str) -> str:
    return files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8")


def _forget(task: "asyncio.Task[tuple[Any, bool]]") -> None:
    # Without anybody who waits, a fault would be reported as lost.
    if not task.cancelled():
        task.exception()
