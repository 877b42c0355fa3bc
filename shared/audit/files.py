"""The files of one process: one after another, each bounded, all of one chain."""

import fcntl
import os
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shared.audit.chain import NO_MAC, ChainKey, line_of
from shared.audit.events import Event, Outcome

MOST_FILE_BYTES: Final = 64 * 1024 * 1024
"""After which the next file is begun."""

SUFFIX: Final = ".jsonl"
FOLDER_MODE: Final = 0o700
FORMAT: Final = 1

_FILE_MODE: Final = 0o600
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Head:
    """How far a file has come: the number of its last record, and that record's MAC."""

    seq: int
    mac: str


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, down to the disk.

    Raises:
        OSError: some of it may be written.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fdatasync(descriptor)


def moment(milliseconds: int) -> str:
    """Return a time as records have it: RFC 3339, UTC, milliseconds."""
    at = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


class AuditFiles:
    """Appends records to files that no other process writes. For one thread."""

    def __init__(
        self,
        folder: Path,
        key: ChainKey,
        now: Callable[[], int],
        *,
        service: str,
        replica: str,
        most_bytes: int = MOST_FILE_BYTES,
    ) -> None:
        """Take the folder, the key, the clock in milliseconds, and what stands in every record."""
        self._folder = folder
        self._key = key
        self._now = now
        self._origin = {"service": service, "replica": replica}
        self._most_bytes = most_bytes
        self._descriptor: int | None = None
        self._name = ""
        self._previous = ""
        self._size = 0
        self._seq = 0
        self._mac = NO_MAC
        self._heads: dict[str, Head] = {}
        self._guard = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether there is a file that takes records."""
        return self._descriptor is not None

    def digest(self, arguments: object) -> str:
        """Return the keyed digest of arguments, as `ChainKey.digest`."""
        return self._key.digest(arguments)

    def append(self, records: Sequence[Mapping[str, object]]) -> None:
        """Append records, in a new file if there is none.

        Raises:
            OSError: none of them is in the file, and the chain is as it was.
        """
        if self._size >= self._most_bytes and self._descriptor is not None:
            self._end(Event.CONTINUED)
        if self._descriptor is None:
            self._open()
        self._write(records)

    def close(self) -> None:
        """Append that this is the orderly end, if a file is open.

        Raises:
            OSError: it is not there; the file ends without it.
        """
        if self._descriptor is not None:
            self._end(Event.CLOSED)

    def take_heads(self) -> Mapping[str, Head]:
        """Return how far the files have come that grew since the last time."""
        with self._guard:
            taken, self._heads = self._heads, {}
        return taken

    def put_back(self, heads: Mapping[str, Head]) -> None:
        """Return heads to be taken again, unless there are newer ones."""
        with self._guard:
            self._heads = {**heads, **self._heads}

    def _open(self) -> None:
        self._folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        at = self._now()
        stamp = datetime.fromtimestamp(at // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        replica = _NOT_IN_NAMES.sub("_", self._origin["replica"])
        # The end is random: containers may share a name, and clocks may be set back.
        name = f"{self._origin['service']}-{replica}-{stamp}-{secrets.token_hex(4)}{SUFFIX}"
        path = self._folder / name
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(path, flags, _FILE_MODE)
        # Held while the file is written, so that nobody takes it for an old one; some volumes have no locks.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._descriptor, self._name, self._size = descriptor, name, 0
        opened = {
            "at": moment(at),
            "event": Event.OPENED,
            "outcome": Outcome.ALLOWED,
            "file": name,
            "format": FORMAT,
            "key": self._key.key_id,
            **({"previous": self._previous} if self._previous else {}),
        }
        try:
            self._write([opened])
        except OSError:
            self._leave()
            with suppress(OSError):
                path.unlink()
            raise

    def _write(self, records: Sequence[Mapping[str, object]]) -> None:
        if self._descriptor is None or not records:
            return
        seq, mac = self._seq, self._mac
        lines = []
        for record in records:
            seq += 1
            line, mac = line_of({"seq": seq, **self._origin, **record, "prev": mac}, self._key)
            lines.append(line)
        data = b"".join(lines)
        try:
            write_all(self._descriptor, data)
        except OSError:
            self._undo()
            raise
        self._seq, self._mac, self._size = seq, mac, self._size + len(data)
        with self._guard:
            self._heads[self._name] = Head(seq, mac)

    def _undo(self) -> None:
        """Cut off what is half written; where that fails too, the next record goes to a new file."""
        if self._descriptor is None:
            return
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self._leave()

    def _end(self, event: Event) -> None:
        self._write([{"at": moment(self._now()), "event": event, "outcome": Outcome.ALLOWED}])
        self._leave()

    def _leave(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
        if self._size:
            self._previous = self._name
        self._descriptor = None
