"""A client that does not read what it asked for is not waited for.

A transport keeps what the kernel does not take, and is closed only when all of it was read. Without a bound
a client that asks and never reads would hold its request, its connection and the answer for ever.
"""

import asyncio
from typing import Final

READ_SECONDS: Final = 30.0
"""How long a client may take nothing of an answer that waits for it."""

LAST_SECONDS: Final = 10.0
"""How long the rest of an answer may take on a connection that was closed."""


class Unread:
    """What was written to one connection and not read yet."""

    __slots__ = ("_loop", "_size", "_timer", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Take the connection and its event loop."""
        self._transport = transport
        self._loop = loop
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Reset the connection once nothing of it was read for READ_SECONDS."""
        self.forget()
        self._size = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(READ_SECONDS, self._look)

    def forget(self) -> None:
        """Watch no more: it was read, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Close the connection when the rest was read, or LAST_SECONDS later."""
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self.forget()
            self._timer = self._loop.call_later(LAST_SECONDS, self._transport.abort)

    def _look(self) -> None:
        self._timer = None
        if self._transport.get_write_buffer_size() < self._size:
            self.watch()
        else:
            self._transport.abort()
