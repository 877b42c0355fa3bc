"""Child processes that are watched, stopped by their process id, and never outlive us."""

import ctypes
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

STOP_SECONDS: Final = 5.0
"""How long a child may take after SIGTERM before SIGKILL."""

_PR_SET_PDEATHSIG: Final = 1
# Loaded before any fork: between fork and exec nothing may be imported.
_libc: Final[Any] = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


_before_exec: Final[Callable[[], None] | None] = _die_with_parent if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Child:
    """A running child process and the file its output goes to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def has_ended(self) -> bool:
        """Return whether the process is gone."""
        return self.process.poll() is not None

    def last_lines(self, count: int = 15) -> str:
        """Return the end of its log, indented by four spaces."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return "".join(f"    {line.rstrip()}\n" for line in deque(lines, maxlen=count))


def start(
    name: str,
    command: Sequence[str],
    log: Path,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Child:
    """Start a child in `folder` (default: ours), its output in `log`, with `environ` alone (default: ours).

    It gets a session of its own, so that Ctrl-C reaches only us and we decide the order in which things end.
    On Linux the kernel ends it when we are killed without a chance to do so, and already when the thread that
    calls this ends: call it from the main thread.

    Raises:
        OSError: the program cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environ,
            cwd=folder,
            start_new_session=True,
            preexec_fn=_before_exec,
        )
    return Child(name, process, log)


def stop(children: Iterable[Child], grace: float = STOP_SECONDS) -> None:
    """Ask all children to end, then kill those that are still there after `grace` seconds."""
    children = tuple(children)
    for child in children:
        child.process.terminate()
    deadline = time.monotonic() + grace
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, deadline - time.monotonic()))
        if not child.has_ended():
            child.process.kill()
            child.process.wait()


def free_port() -> int:
    """Return a TCP port that nothing listens on at 127.0.0.1 right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether a server could listen at 127.0.0.1 on this TCP port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
