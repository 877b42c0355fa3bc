"""The client of a single server: commands share one connection (`shared.redis.lane`), some have their own."""

from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.client import Pipeline
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.exceptions import RedisError, ResponseError

from shared.redis.lane import Command, Lane
from shared.redis.measured import MeasuredRedis, measured, operation_of

_OWN_CONNECTION: Final = frozenset({"WAIT", "WAITAOF"})
"""They hold up whatever follows on their connection, and count its writes alone."""


class OneServerClient(MeasuredRedis):
    """A client of one server; it does nothing differently but for the connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Take what redis-py's client takes, with a pool that waits."""
        super().__init__(*arguments, **named)
        pool = self.connection_pool
        if not isinstance(pool, BlockingConnectionPool):
            raise TypeError("the pool must be one that waits")
        self.lane: Final = Lane(pool)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command."""
        if args[0] in _OWN_CONNECTION or NEVER_DECODE in options or EMPTY_RESPONSE in options:
            return await super().execute_command(*args, **options)
        with measured(operation_of(args)):
            (reply,) = await self.lane.ask(args)
            if isinstance(reply, Exception):
                raise reply
        return await _parsed(self, args[0], reply, options)

    async def read_together(self, *commands: Command) -> list[Any]:
        """Return the replies to commands that are sent together, as a pipeline does, for half of its time.

        Raises:
            StoreError: one failed, or nothing is known about them.
        """
        with measured("pipeline"):
            replies = await self.lane.ask(*commands)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
        return [
            await _parsed(self, command[0], reply, {})
            for command, reply in zip(commands, replies, strict=True)
        ]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Return a pipeline; a transaction has a connection of its own."""
        if transaction:
            return super().pipeline(transaction, shard_hint)
        pipeline = _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.lane = self.lane
        return pipeline

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close every connection."""
        await self.lane.aclose()
        await super().aclose(close_connection_pool)


class _Pipeline(Pipeline):
    lane: Lane

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send all commands, and return their replies."""
        stack = list(self.command_stack)
        with measured("pipeline"):
            if self.explicit_transaction or any(args[0] in _OWN_CONNECTION for args, _ in stack):
                return await super().execute(raise_on_error)
            self.command_stack = []
            replies = await self.lane.ask(*(args for args, _ in stack))
            for reply in replies:
                # What redis-py raises in any case: the server takes no commands at all.
                if isinstance(reply, RedisError) and not isinstance(reply, ResponseError):
                    raise reply
            if raise_on_error:
                self.raise_first_error(stack, replies)
        return [
            reply if isinstance(reply, Exception) else await _parsed(self, args[0], reply, options)
            for (args, options), reply in zip(stack, replies, strict=True)
        ]


async def _parsed(client: Any, name: str | bytes, reply: Any, options: Mapping[str, Any]) -> Any:
    """Return a reply as redis-py's `parse_response` does."""
    # Its keys are in upper case. Its own `get` is written in Python.
    callback = dict.get(client.response_callbacks, name.upper())
    if callback is None:
        return reply
    if options:
        # Not for it: which keys a command is about, for a cache that is not used here.
        options = {option: given for option, given in options.items() if option != "keys"}
    value = callback(reply, **options)
    return await value if hasattr(value, "__await__") else value
