"""`python -m dev.bench.audit`: what a record of the audit log costs, in the request and in all.

Microseconds a record, the best of 20 runs of 8,000, on the disk of the temporary folder:

    request   telling a tool call, on the event loop
    writing   digest, MAC, JSON and file, in the log's thread
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

from shared.audit import acting
from shared.audit.chain import ChainKey
from shared.audit.events import Event, Outcome
from shared.audit.files import AuditFiles
from shared.audit.log import AuditLog
from shared.clock import Clock
from shared.sealing import Sealer

RECORDS: Final = 8_000
RUNS: Final = 20


def main() -> None:
    """Measure, and print one line."""
    _act()
    with tempfile.TemporaryDirectory() as folder:
        runs = [_run(Path(folder) / str(number)) for number in range(RUNS)]
    request, writing = (min(each) / RECORDS * 1e6 for each in zip(*runs, strict=True))
    print(f"request {request:.2f} µs, writing {writing:.1f} µs a record")


def _act() -> None:
    acting.begin("0123456789abcdef")
    acting.learn(subject="ada00000-0000-4000-8000-000000000001", client_id="client_" + "a" * 22)
    acting.learn(grant_id="g" * 22)


def _run(folder: Path) -> tuple[float, float]:
    clock = Clock()
    files = AuditFiles(
        folder,
        ChainKey(Sealer(bytes(32))),
        lambda: int(clock.now() * 1000),
        service="mcp_server",
        replica="host:8000",
    )
    audit = AuditLog(files, clock)
    arguments, scopes = {"val": "ada/blog", "path": "main.tsx"}, ("files:read",)
    began = time.perf_counter()
    for _ in range(RECORDS):
        audit.note(Event.TOOL_CALLED, Outcome.ALLOWED, name="read_file", scopes=scopes, arguments=arguments)
    told = time.perf_counter()
    asyncio.run(audit.close())
    return told - began, time.perf_counter() - told


if __name__ == "__main__":
    main()
