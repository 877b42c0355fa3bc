"""The store's client, with every command, transaction and script timed, and its faults counted."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def measured(operation: str) -> Iterator[None]:
    """Time what is done with the store under a name, and count it when it fails."""
    started = time.perf_counter()
    try:
        with tracing.store_span(operation):
            yield
    except NoScriptError:
        # A store that was restarted: the script is sent, and runs.
        raise
    except RedisError as error:
        reason = next((name for kind, name in _REASONS if isinstance(error, kind)), OTHER)
        STORE_ERRORS.inc(operation, reason)
        raise
    finally:
        STORE_SECONDS.of(operation).observe(time.perf_counter() - started)


def operation_of(command: tuple[Any, ...]) -> str:
    """Return what a command is called in metrics: a script by its name."""
    name = str(command[0])
    if name == "EVALSHA":
        return SCRIPT_NAMES.get(command[1], "script")
    return name.lower()
