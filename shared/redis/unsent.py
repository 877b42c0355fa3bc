"""Marks the faults of which it is certain that the store never got the command: there was no connection.

redis-py raises the same errors for a command that was never sent and for one whose reply was lost, which may
have run. Only the first kind may be tried again whatever it does.
"""

from typing import Any, Final, TypeVar

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import TimeoutError as StoreTimeoutError

_MARK: Final = "_never_sent"

_Fault = TypeVar("_Fault", bound=RedisError)
_connect: Any = AbstractConnection.connect_check_health


def unsent(error: _Fault) -> _Fault:
    """Return a fault, marked as one before anything was sent."""
    setattr(error, _MARK, True)
    return error


def is_unsent(error: RedisError) -> bool:
    """Return whether a fault came before anything was sent."""
    return bool(getattr(error, _MARK, False))


async def _connect_or_tell(self: AbstractConnection, *arguments: Any, **named: Any) -> None:
    try:
        await _connect(self, *arguments, **named)
    except AuthenticationError:
        # Another server would refuse it too.
        raise
    except (StoreConnectionError, StoreTimeoutError) as error:
        unsent(error)
        raise


def install() -> None:
    """Apply this to every connection of redis-py's asyncio client: to a server, by Sentinel, to a cluster."""
    kind: Any = AbstractConnection
    kind.connect_check_health = _connect_or_tell
