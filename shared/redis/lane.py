"""One connection that all requests of a process use at once: most commands to a single server go this way.

Commands that are given in one turn of the event loop go out in one write, and their replies are told apart by
their order. So a command costs a fifth of what it costs on a connection that is taken from the pool for it,
asked whether it still lives, written to, waited for and given back.

What belongs to a connection of its own does not come here: transactions, WAIT, subscriptions.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import hiredis
from redis._parsers.base import BaseParser
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import InvalidResponse
from redis.exceptions import TimeoutError as StoreTimeoutError

from shared.redis.connections import REPLY_SECONDS

MOST_WAITING: Final = 4096
"""Commands under way at once; one more is refused."""

LATE_SECONDS: Final = 0.05
"""A reply that has not come for so long is late: one more command would only wait, too."""

GRACE_SECONDS: Final = 0.01
"""How long a reply that is due has left: a loop that was busy elsewhere may not have looked for it yet."""

_NOTHING: Final = object()
"""Of the reader: no reply is complete. Its own word for that is False, which is a reply, too."""

Command = tuple[Any, ...]
"""A name, which may have several words, and arguments: text, bytes or numbers."""


class _NotSentError(StoreConnectionError):
    """The connection was lost before anything was sent."""


class _Waiting:
    """Commands that wait for their replies, and whoever waits for those."""

    __slots__ = ("answer", "asked_at", "missing", "packed", "replies")

    def __init__(self, packed: Sequence[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self.packed = packed
        self.missing = len(packed)
        self.replies: list[Any] = []
        self.asked_at = loop.time()
        self.answer: asyncio.Future[list[Any]] = loop.create_future()

    def fail(self, error: Exception) -> None:
        # Whoever was cancelled waits no more.
        if not self.answer.done():
            self.answer.set_exception(error)


class Lane:
    """The shared connection to one server: opened when it is needed, and again after it was lost."""

    def __init__(self, pool: BlockingConnectionPool) -> None:
        """Take the pool that its connection comes from."""
        self._pool = pool
        self._link: _Link | None = None
        self._opening: asyncio.Task[_Link] | None = None

    async def ask(self, *commands: Command) -> list[Any]:
        """Return the replies; an error that the server answers is in the place of its reply.

        The commands follow each other, and run even if whoever waits is cancelled.

        Raises:
            StoreError: nothing is known about them.
        """
        if not commands:
            # No reply would ever end the wait for it.
            return []
        packed = [_packed(command) for command in commands]
        link = self._link
        if link is not None and link.is_open:
            try:
                return await link.ask(packed)
            except _NotSentError:
                # Lost since then; they go out on the next one.
                link = None
        link = await self._opened()
        return await link.ask(packed)

    @property
    def is_open(self) -> bool:
        """Whether a command that is given now needs no new connection, as far as is known."""
        return self._link is not None and self._link.is_open

    @property
    def is_late(self) -> bool:
        """Whether the server is slow to answer, so that one more command would only wait, too."""
        return self._link is not None and self._link.is_late

    async def aclose(self) -> None:
        """Close the connection; what is under way fails."""
        if self._opening is not None:
            self._opening.cancel()
        if self._link is not None:
            self._link.close()

    async def _opened(self) -> "_Link":
        loop = asyncio.get_running_loop()
        if self._opening is None or self._opening.get_loop() is not loop:
            # However many wait for it, it is opened once.
            self._opening = loop.create_task(self._open())
            self._opening.add_done_callback(self._was_opened)
        return await asyncio.shield(self._opening)

    async def _open(self) -> "_Link":
        old, self._link = self._link, None
        if old is not None:
            await old.connection.disconnect(nowait=True)
            await self._pool.release(old.connection)
        connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        self._link = link = _Link(connection)
        return link

    def _was_opened(self, task: "asyncio.Task[_Link]") -> None:
        if self._opening is task:
            self._opening = None
        if not task.cancelled():
            # Whoever waited has it; without anybody it would be reported as lost.
            task.exception()


class _Link(asyncio.Protocol):
    """A connection that redis-py has opened and greeted, and that is read from and written to here."""

    def __init__(self, connection: AbstractConnection) -> None:
        self.connection = connection
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=BaseParser.parse_error,
            encoding="utf-8",
            notEnoughData=_NOTHING,
        )
        self._unsent: list[_Waiting] = []
        self._waiting: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._overdue: _Waiting | None = None
        # redis-py keeps the transport to itself. It must still hear that it was closed: it waits for that.
        writer: Any = connection._writer
        self._transport: asyncio.Transport = writer.transport
        self._before: Any = self._transport.get_protocol()
        self._transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether commands can be sent, as far as is known here."""
        # Another loop runs only when this one does not. Which one it is would be a system call to ask.
        return self._loop.is_running() and not self._transport.is_closing()

    @property
    def is_late(self) -> bool:
        """Whether a reply is late."""
        return bool(self._waiting) and self._loop.time() - self._waiting[0].asked_at > LATE_SECONDS

    def ask(self, packed: Sequence[bytes]) -> asyncio.Future[list[Any]]:
        """Send commands when this turn of the event loop is over; return what will have the replies."""
        if len(self._waiting) + len(self._unsent) >= MOST_WAITING:
            raise StoreConnectionError("Too many commands are under way.")
        waiting = _Waiting(packed, self._loop)
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(waiting)
        return waiting.answer

    def close(self) -> None:
        """Close the connection when everything is sent."""
        self._transport.close()

    def end(self, error: Exception) -> None:
        """Close the connection at once, and tell whoever waits why."""
        self._transport.abort()
        self._fail(error)

    def data_received(self, data: bytes) -> None:
        """Give replies to those who wait for them."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _NOTHING:
                # Nothing is subscribed to here.
                if isinstance(reply, hiredis.PushNotification):
                    continue
                if not self._waiting:
                    raise InvalidResponse("a reply that nobody asked for")
                self._take(reply)
        except InvalidResponse as error:
            # From here on replies might go to those who asked something else.
            self.end(StoreConnectionError(f"The store answers what is no reply: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        self._before.connection_lost(exc)
        self._fail(StoreConnectionError("Connection closed by server."))

    def eof_received(self) -> bool:
        """Let the transport close itself."""
        return False

    def pause_writing(self) -> None:
        """Go on: how much waits is bounded by the number of commands."""

    def resume_writing(self) -> None:
        """Go on."""

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport.is_closing():
            for waiting in unsent:
                waiting.fail(_NotSentError("The connection was lost."))
            return
        self._waiting.extend(unsent)
        self._transport.write(b"".join([part for waiting in unsent for part in waiting.packed]))
        if self._timer is None:
            self._timer = self._loop.call_later(REPLY_SECONDS, self._look)

    def _take(self, reply: Any) -> None:
        first = self._waiting[0]
        first.replies.append(reply)
        first.missing -= 1
        if not first.missing:
            self._waiting.popleft()
            if not first.answer.done():
                first.answer.set_result(first.replies)

    def _look(self) -> None:
        """End the connection when the oldest reply has not come in time; all others wait behind it."""
        self._timer = None
        if not self._waiting:
            return
        oldest = self._waiting[0]
        left = oldest.asked_at + REPLY_SECONDS - self._loop.time()
        if left <= 0 and oldest is self._overdue:
            self.end(StoreTimeoutError("Timeout reading from the store"))
            return
        self._overdue = oldest if left <= 0 else None
        self._timer = self._loop.call_later(max(left, GRACE_SECONDS), self._look)

    def _fail(self, error: Exception) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._overdue = None
        while self._waiting:
            self._waiting.popleft().fail(type(error)(*error.args))


def _packed(command: Command) -> bytes:
    name = command[0]
    packed: bytes = hiredis.pack_command((*name.split(), *command[1:]) if " " in name else command)
    return packed
