"""A TCP link that can be slow, cut, or silent: what networks do, between a service and its store."""

import asyncio
import socket
import struct
from contextlib import suppress
from enum import Enum
from typing import Final

_CHUNK: Final = 64 * 1024
# Closing with this sends RST at once, and what waits to be sent is lost.
_RESET: Final = struct.pack("ii", 1, 0)


class Mode(Enum):
    """How a link behaves."""

    OPEN = "open"
    SILENT = "silent"
    """Connections stay open and are accepted; nothing comes through any more, and nobody is told."""
    SHUT = "shut"
    """Connections are reset, and new ones too."""


class Link:
    """Listens on a port of its own and passes everything on to a target, as long as it may."""

    def __init__(self, host: str, port: int) -> None:
        """Take the target."""
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._may_pass = asyncio.Event()
        self._may_pass.set()
        self._mode = Mode.OPEN
        self.delay = 0.0
        """Seconds that each piece of an answer waits."""
        self.cut_after: int | None = None
        """After so many bytes of answers a connection is reset, in the middle of what it says."""

    async def open(self) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=256)
        return int(self._server.sockets[0].getsockname()[1])

    def set(self, mode: Mode) -> None:
        """Behave so from now on, also on connections that are open."""
        self._mode = mode
        if mode is Mode.SILENT:
            self._may_pass.clear()
        else:
            self._may_pass.set()
        if mode is Mode.SHUT:
            self.reset()

    def reset(self) -> None:
        """Reset all connections."""
        for writer in list(self._writers):
            _reset(writer)

    async def close(self) -> None:
        """Stop listening, and end what is open."""
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode is Mode.SHUT:
            _reset(writer)
            return
        try:
            there, onward = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        self._writers |= {writer, onward}
        try:
            await asyncio.gather(self._pump(reader, onward), self._pump(there, writer, answers=True))
        finally:
            self._writers -= {writer, onward}
            for each in (writer, onward):
                each.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        passed = 0
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(_CHUNK):
                await self._may_pass.wait()
                if answers and self.delay:
                    await asyncio.sleep(self.delay)
                if answers and self.cut_after is not None and passed + len(data) > self.cut_after:
                    writer.write(data[: max(self.cut_after - passed, 0)])
                    await writer.drain()
                    _reset(writer)
                    return
                passed += len(data)
                writer.write(data)
                await writer.drain()
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
