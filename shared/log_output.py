"""Where log lines go: a file descriptor that is never waited for.

A pipe that nobody reads is full after 64 KiB, and then a write to it stops the whole event loop. So each
write asks first whether there is room, and what finds none waits here, in bounded memory; beyond that it is
dropped and counted.
"""

import asyncio
import io
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Final, TextIO

from shared.metrics import LOG_LINES_DROPPED

MAX_WAITING_BYTES: Final = 256 * 1024
"""Of lines that wait for room."""

LAST_SECONDS: Final = 0.5
"""How long the lines that still wait may take when the process ends."""

_AT_ONCE: Final = 4096
"""POSIX PIPE_BUF on Linux: a pipe that is ready takes so much without a wait."""


class LogOutput(io.TextIOBase):
    """Takes text, and writes whole lines to a stream's file descriptor as soon as it has room."""

    def __init__(self, stream: TextIO, *, note: Callable[[int], str]) -> None:
        """Take the stream, and what makes the line (with its end) that tells how many were dropped."""
        self._stream = stream
        self._note = note
        self._line = ""
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._flushing: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        # Streams of tests have no descriptor, and do not block.
        with suppress(OSError):
            self._descriptor = stream.fileno()
            self._room = select.poll()
            self._room.register(self._descriptor, select.POLLOUT)
            stream.flush()

    def write(self, text: str) -> int:
        """Take text; a line is complete with its line end."""
        if self._descriptor is None:
            return self._stream.write(text)
        with self._lock:
            self._line += text
            if text.endswith("\n"):
                self._add(self._line.encode("utf-8", "backslashreplace"))
                self._line = ""
        return len(text)

    def write_soon(self, line: str) -> None:
        """Take a whole line; it is written, with others, when this turn of the event loop is over."""
        if self._descriptor is None:
            self._stream.write(line)
            return
        with self._lock:
            self._add(line.encode("utf-8", "backslashreplace"))
        if self._flushing is not None and not self._flushing.is_closed():
            return
        try:
            self._flushing = asyncio.get_running_loop()
        except RuntimeError:
            # Of a thread, or of a command.
            self.flush()
        else:
            self._flushing.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flushing = None
        self.flush()

    def flush(self) -> None:
        """Write what there is room for."""
        if self._descriptor is None:
            self._stream.flush()
            return
        with self._lock:
            self._write_waiting(self._descriptor)

    def finish(self) -> None:
        """Write what still waits, within LAST_SECONDS."""
        deadline = time.monotonic() + LAST_SECONDS
        self.flush()
        while self._waiting and time.monotonic() < deadline:
            self._room.poll(50)
            self.flush()

    def _add(self, line: bytes) -> None:
        if self._waiting_bytes + len(line) > MAX_WAITING_BYTES:
            self._dropped += 1
            LOG_LINES_DROPPED.inc()
            return
        self._waiting.append(line)
        self._waiting_bytes += len(line)

    def _write_waiting(self, descriptor: int) -> None:
        while self._waiting and self._room.poll(0):
            try:
                written = os.write(descriptor, self._next_piece())
            except BlockingIOError:
                return
            except OSError:
                # Nobody will ever read them.
                self._lose_waiting()
                return
            self._take_away(written)
            self._tell_dropped()

    def _next_piece(self) -> bytes:
        """Return what is written at once: as many whole lines as fit, or the beginning of a long one."""
        lines, size = [self._waiting[0]], len(self._waiting[0])
        for line in islice(self._waiting, 1, None):
            size += len(line)
            if size > _AT_ONCE:
                break
            lines.append(line)
        return b"".join(lines)[:_AT_ONCE]

    def _take_away(self, written: int) -> None:
        self._waiting_bytes -= written
        while written:
            line = self._waiting[0]
            if written < len(line):
                self._waiting[0] = line[written:]
                return
            written -= len(line)
            self._waiting.popleft()

    def _tell_dropped(self) -> None:
        if self._dropped and not self._waiting:
            note, self._dropped = self._note(self._dropped).encode(), 0
            self._add(note)

    def _lose_waiting(self) -> None:
        for _ in self._waiting:
            LOG_LINES_DROPPED.inc()
        self._waiting.clear()
        self._waiting_bytes = 0
