"""Makes redis-py tell a connection that is closed already from a bug of ours, also under uvloop.

Writing to a transport that has just been closed is an OSError with asyncio's own loop, and redis-py makes a
ConnectionError of it. uvloop raises RuntimeError instead, which redis-py lets through: a store that restarts
would then be answered as 500, a fault of ours, where it must be 503.

And makes it notice that an idle connection was reset: it looks only whether one was closed in order, and
would hand it out for a command that then fails.
"""

import errno
from collections.abc import Iterable
from typing import Any

from redis.asyncio.connection import AbstractConnection

_send: Any = AbstractConnection._send_packed_command
_can_read: Any = AbstractConnection.can_read


async def _send_or_lose(self: AbstractConnection, command: Iterable[bytes]) -> None:
    try:
        await _send(self, command)
    except RuntimeError as error:
        raise ConnectionResetError(errno.ECONNRESET, "The connection was closed") from error


async def _can_read_or_was_reset(self: AbstractConnection, *arguments: Any, **named: Any) -> bool:
    reader: Any = self._reader
    if reader is not None and (error := reader.exception()) is not None:
        raise ConnectionResetError(errno.ECONNRESET, "The connection was reset") from error
    return bool(await _can_read(self, *arguments, **named))


def install() -> None:
    """Apply this to every connection of redis-py's asyncio client: to a server, by Sentinel, to a cluster."""
    kind: Any = AbstractConnection
    kind._send_packed_command = _send_or_lose
    kind.can_read = _can_read_or_was_reset
