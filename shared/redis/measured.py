"""The store's client, with every command, transaction and script timed, and its faults counted."""

import time
from types import TracebackType
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import (
    ConnectionError,  # noqa: A004
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,  # noqa: A004
)

from shared import tracing
from shared.metrics import STORE_ERRORS, STORE_SECONDS
from shared.series import OTHER

SCRIPT_NAMES: Final[dict[str, str]] = {}
"""Digest of a script → name of its file; filled by `shared.redis.scripts`, so all names are our own."""

_REASONS: Final = (
    (TimeoutError, "timeout"),
    (ConnectionError, "connection"),
    (OutOfMemoryError, "full"),
    (ReadOnlyError, "read_only"),
)


class MeasuredRedis(Redis):
    """A client that measures; it does nothing else differently."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run one command."""
        with measured(operation_of(args)):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Return a pipeline that measures the whole of what it sends."""
        return MeasuredPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class MeasuredPipeline(Pipeline):
    """A pipeline that measures the whole of what it sends."""

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send all commands, and return their replies."""
        with measured("transaction" if self.is_transaction else "pipeline"):
            return await super().execute(raise_on_error)


class _Measured:
    """A block in which one thing is done with the store."""

    __slots__ = ("_operation", "_span", "_started")

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._span = None if tracing.provider() is None else tracing.store_span(operation)
        self._started = 0.0

    def __enter__(self) -> None:
        if self._span is not None:
            self._span.__enter__()
        self._started = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        STORE_SECONDS.of(self._operation).observe(time.perf_counter() - self._started)
        # One that does not know a script was restarted: the script is sent, and runs.
        if isinstance(error, RedisError) and not isinstance(error, NoScriptError):
            reason = next((name for known, name in _REASONS if isinstance(error, known)), OTHER)
            STORE_ERRORS.inc(self._operation, reason)
        if self._span is not None:
            self._span.__exit__(kind, error, trace)


def measured(operation: str) -> _Measured:
    """Return a block that times what is done with the store under a name, and counts it when it fails."""
    return _Measured(operation)


def operation_of(command: tuple[Any, ...]) -> str:
    """Return what a command is called in metrics: a script by its name."""
    name = str(command[0])
    if name == "EVALSHA":
        return SCRIPT_NAMES.get(command[1], "script")
    return name.lower()
