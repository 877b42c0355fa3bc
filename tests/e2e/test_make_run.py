"""`make run`: no process of it is left behind, however it ends."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from dev.deployment import ROOT, environment
from dev.processes import Child, free_port, start, stop

pytestmark = pytest.mark.e2e


@dataclass
class Checkout:
    """A copy of the code in a folder of its own, and free ports for it."""

    folder: Path
    ports: dict[str, str]

    def run(self, **settings: str) -> Child:
        """Start `make run` without make."""
        environ = environment({**self.ports, **settings})
        # The copy's own code, not ours.
        del environ["PYTHONPATH"]
        command = [sys.executable, "-m", "dev.run"]
        return start("run", command, self.folder.parent / "run.log", environ, self.folder)

    def url(self, service: str) -> str:
        """Return where a service listens."""
        return f"http://127.0.0.1:{self.ports[f'{service}_PORT']}"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a fresh checkout."""
    folder = tmp_path / "checkout"
    for part in ("auth_server", "mcp_server", "shared", "dev"):
        shutil.copytree(ROOT / part, folder / part)
    names = ("AUTH_PORT", "MCP_PORT", "SANDBOX_PORT")
    return Checkout(folder, {name: str(free_port()) for name in names})


@pytest.fixture
def running(checkout: Checkout) -> Iterator[Child]:
    """Return `make run`, ready."""
    child = checkout.run()
    try:
        until_printed(child, "Ctrl-C stops everything.")
        yield child
    finally:
        stop([child])


def until_printed(child: Child, text: str) -> None:
    deadline = time.monotonic() + 40
    while text not in child.log.read_text(encoding="utf-8"):
        assert not child.has_ended(), child.last_lines()
        assert time.monotonic() < deadline, child.last_lines()
        time.sleep(0.05)


def children_of(pid: int) -> set[int]:
    return {child for child, parent in processes() if parent == pid}


def processes() -> list[tuple[int, int]]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [(int(pid), int(parent)) for pid, parent in rows]


def until_gone(pids: set[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := pids & {pid for pid, _ in processes()}:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_everything_answers_and_ctrl_c_leaves_no_process_behind(checkout: Checkout, running: Child) -> None:
    for service, path in (("AUTH", "/readyz"), ("MCP", "/readyz"), ("SANDBOX", "/healthz")):
        assert httpx.get(checkout.url(service) + path).status_code == 200
    children = children_of(running.process.pid)
    assert len(children) == 4
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(10) == 0
    until_gone(children, 1)
    assert "Traceback" not in running.log.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_not_even_when_it_is_killed(running: Child) -> None:
    children = children_of(running.process.pid)
    assert len(children) == 4
    running.process.kill()
    running.process.wait(5)
    until_gone(children, 5)


def test_taken_port_is_told_in_one_sentence_and_nothing_is_written(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        child = checkout.run(MCP_PORT=str(port))
        assert child.process.wait(20) == 1
    lines = [line for line in child.log.read_text(encoding="utf-8").splitlines() if line]
    assert len(lines) == 1
    assert f"Port {port} is in use" in lines[0]
    assert "MCP_PORT=" in lines[0]
    assert not (checkout.folder / ".env").exists()
