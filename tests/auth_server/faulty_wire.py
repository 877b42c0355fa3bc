"""A wire to the store that can be cut: TCP forwarding with faults switched on and off."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

import hiredis

from tests.support.listening import listening

_COMMAND = re.compile(rb"(?:^|\r\n)\*\d+\r\n")


class Fault(StrEnum):
    """What happens to commands."""

    NONE = "none"
    REFUSED = "refused"
    """Every connection is closed at once, as when the store's process is gone."""
    SILENT = "silent"
    """Commands vanish: a network partition, or a process that hangs."""
    REPLY_LOST = "reply lost"
    """Commands run, and their replies vanish."""
    LOADING = "-LOADING the dataset is being read"
    READ_ONLY = "-READONLY You can't write against a read only replica."
    OUT_OF_MEMORY = "-OOM command not allowed when used memory > 'maxmemory'."
    NO_PASSWORD = "-NOAUTH Authentication required."
    NO_REPLICAS = "-NOREPLICAS Not enough good replicas to write."
    DISK_FULL = "-MISCONF Errors writing to the AOF file: No space left on device"
    CLUSTER_DOWN = "-CLUSTERDOWN The cluster is down"
    NO_RIGHT = "-NOPERM User default has no permissions to run the 'info' command"


@dataclass
class Wire:
    """The wire; set `fault` at any time."""

    url: str = ""
    fault: Fault = Fault.NONE
    delay: float = 0.0
    """Seconds for which each reply is held back."""
    _left: int | None = None
    _connections: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self, fault: Fault) -> None:
        """Switch a fault on; REFUSED also ends the connections that exist."""
        self.fault = fault
        if fault is Fault.REFUSED:
            for writer in list(self._connections):
                writer.transport.abort()

    def cut_after(self, sendings: int) -> None:
        """Let so many more sendings of commands through, then refuse."""
        self._left = sendings

    async def repair(self) -> None:
        """Switch the fault off; what was cut stays cut."""
        self.fault = Fault.NONE
        self._left = None
        # In one event loop, the other end notices a closed connection only when the loop has looked.
        for _ in range(10):
            await asyncio.sleep(0)

    def _count(self) -> None:
        if self._left is None:
            return
        if self._left == 0:
            self.cut(Fault.REFUSED)
        else:
            self._left -= 1

    async def _serve(
        self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.fault is Fault.REFUSED:
            writer.transport.abort()
            return
        store_reader, store_writer = await asyncio.open_connection(host, port)
        self._connections |= {writer, store_writer}
        order = _Order()
        back = asyncio.create_task(self._back(store_reader, writer, order))
        try:
            while data := await reader.read(65536):
                self._count()
                commands = len(_COMMAND.findall(data))
                if self.fault in (Fault.NONE, Fault.REPLY_LOST):
                    order.asked(commands)
                    store_writer.write(data)
                elif self.fault.startswith("-"):
                    refusal = f"{self.fault}\r\n".encode()
                    # As a store does: what was asked before is answered before.
                    await order.all_answered()
                    writer.write(refusal * commands)
        except OSError:
            pass
        finally:
            back.cancel()
            ends = (writer, store_writer)
            for end in ends:
                self._connections.discard(end)
                end.close()
            # Not one after the other: this may be cancelled here.
            for end in ends:
                with suppress(OSError):
                    await end.wait_closed()

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, order: "_Order"
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.fault is Fault.NONE or self.fault.startswith("-"):
                    writer.write(data)
                order.answered(data)


class _Order:
    """Knows whether commands on one connection still wait for the store's replies."""

    def __init__(self) -> None:
        self._replies = hiredis.Reader()
        self._missing = 0
        self._none_missing = asyncio.Event()
        self._none_missing.set()

    def asked(self, commands: int) -> None:
        self._missing += commands
        if self._missing:
            self._none_missing.clear()

    def answered(self, data: bytes) -> None:
        self._replies.feed(data)
        while self._replies.gets() is not False:
            self._missing = max(0, self._missing - 1)
        if not self._missing:
            self._none_missing.set()

    async def all_answered(self) -> None:
        await self._none_missing.wait()


@asynccontextmanager
async def wire_to(store_url: str) -> AsyncIterator[Wire]:
    """Open a wire to the store at a URL; `Wire.url` is what to connect to instead."""
    parts = urlsplit(store_url)
    wire = Wire()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await wire._serve(parts.hostname or "", parts.port or 6379, reader, writer)

    async with listening(serve) as port:
        wire.url = parts._replace(netloc=f"127.0.0.1:{port}").geturl()
        yield wire
