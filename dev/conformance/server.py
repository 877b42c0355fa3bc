"""The suite's scenarios for MCP servers, each revision's required set, against the test-only server."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dev.conformance.suite import Outcome, run

REVISIONS: Final = ("2026-07-28", "2025-11-25")
_ROOT: Final = Path(__file__).resolve().parent.parent.parent
_READY: Final = "http://127.0.0.1:"


class ServerFailedError(Exception):
    """The test-only server did not start; the message has what it said."""


def run_server_scenarios() -> Iterator[tuple[str, Outcome]]:
    """Run the required scenarios of each revision; gives the revision and how it went.

    Raises:
        ServerFailedError: there was nothing to run them against.
    """
    with _serving() as url:
        for revision in REVISIONS:
            yield revision, run("server", "--url", url, "--requirements", revision, *_baseline(revision))


def baseline_of(revision: str) -> Path:
    """Return the file that lists what cannot pass of a revision; it need not exist."""
    return Path(__file__).with_name(f"expected_failures_{revision}.yml")


def _baseline(revision: str) -> tuple[str, ...]:
    baseline = baseline_of(revision)
    return ("--expected-failures", str(baseline)) if baseline.exists() else ()


@contextmanager
def _serving() -> Iterator[str]:
    # Ends with its standard input, so that nothing is left running whatever happens here.
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.server"],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with server:
        url = server.stdout.readline().strip() if server.stdout else ""
        if not url.startswith(_READY):
            server.kill()
            raise ServerFailedError("`python -m tests.conformance.server` did not start; run it to see why")
        yield url
