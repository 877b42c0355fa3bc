"""What Linux tells of a running process in /proc: memory and processor time."""

import os
import re
from pathlib import Path
from typing import Final

from dev.bench.load import BenchError

HAS_PROC: Final = Path("/proc/self/stat").exists()
_RESIDENT: Final = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


def resident_megabytes(process_id: int) -> float:
    """Return the memory that a process holds.

    Raises:
        BenchError: this is not Linux.
    """
    found = _RESIDENT.search(_proc(process_id, "status"))
    return int(found.group(1)) / 1024 if found else 0.0


def cpu_seconds(process_id: int) -> float:
    """Return the time that a process has kept a core busy, in the kernel too.

    Raises:
        BenchError: this is not Linux.
    """
    # After the name, which may hold blanks: state is field 3, utime 14, stime 15 (proc(5)).
    fields = _proc(process_id, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _proc(process_id: int, name: str) -> str:
    path = Path(f"/proc/{process_id}/{name}")
    if not path.exists():
        raise BenchError("memory and processor time are read from /proc, which only Linux has")
    return path.read_text(encoding="ascii")
