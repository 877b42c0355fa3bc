"""What is measured, each as a process on the server core: our two services, bare uvicorn, the peers."""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from dev.bench.environments import node_home, peer_python, tool
from dev.bench.load import LOAD_CORE, SERVER_CORE, BenchError, pinned
from dev.deployment import AUTH, MCP, ROOT, SANDBOX, Deployment, deploy
from dev.processes import Child, free_port, start, stop
from dev.store import open_store

FAST: Final = "fast"
PLAIN: Final = "plain"
"""Of bare uvicorn and the peers: with uvloop and httptools, and JSON; or as the package alone runs."""

_UVICORN: Final = {FAST: ("httptools", "uvloop"), PLAIN: ("h11", "asyncio")}
_PEERS: Final = ROOT / "dev" / "bench" / "peers"
_RESIDENT: Final = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


@contextmanager
def ours(folder: Path, **settings: str) -> Iterator[Deployment]:
    """Run both services with these settings on the server core, store and sandbox on the other."""
    # A store of its own each time: every deployment has an encryption key of its own.
    folder = Path(tempfile.mkdtemp(dir=folder))
    with open_store({"PATH": os.environ.get("PATH", "")}, folder / "store") as store:
        if store.child is not None:
            pin(store.child.process.pid, LOAD_CORE)
        with deploy(store.url, folder, **settings) as deployment:
            pin(deployment.process_id(SANDBOX), LOAD_CORE)
            for service in (AUTH, MCP):
                pin(deployment.process_id(service), SERVER_CORE)
            yield deployment


@contextmanager
def bare(folder: Path, bodies: Mapping[str, str], way: str = FAST) -> Iterator[str]:
    """Run bare uvicorn that answers these bodies by path; yield its URL."""
    prepared = folder / "bodies.json"
    prepared.write_text(json.dumps(bodies), encoding="utf-8")
    port, (http, loop) = free_port(), _UVICORN[way]
    command = [sys.executable, "-m", "uvicorn", "dev.bench.bare:app", "--port", str(port), "--no-access-log"]
    command += ["--http", http, "--loop", loop, "--lifespan", "off", "--log-level", "warning"]
    environ = {**os.environ, "BENCH_BODIES": str(prepared), "PYTHONPATH": str(ROOT)}
    with _running(f"bare uvicorn {way}", command, folder, environ) as child:
        yield _until_it_answers(child, f"http://127.0.0.1:{port}")


@contextmanager
def fastmcp(folder: Path, deployment: Deployment, way: str = FAST) -> Iterator[str]:
    """Run FastMCP for the same access tokens; yield the URL of its endpoint."""
    with _python_peer("fastmcp_server.py", folder, deployment, way) as url:
        yield url


@contextmanager
def sdk(folder: Path, deployment: Deployment, way: str = FAST) -> Iterator[str]:
    """Run the official SDK's server for the same access tokens; yield the URL of its endpoint."""
    with _python_peer("sdk_server.py", folder, deployment, way) as url:
        yield url


@contextmanager
def oidc_provider(folder: Path) -> Iterator[str]:
    """Run node's oidc-provider; yield the URL of its token endpoint."""
    port = free_port()
    home = node_home(folder.parent)
    environ = {**os.environ, "BENCH_PORT": str(port), "NODE_ENV": "production"}
    command = [tool("node"), str(home / "oidc_provider.mjs")]
    with _running("oidc-provider", command, folder, environ) as child:
        yield _until_it_answers(child, f"http://127.0.0.1:{port}") + "/token"


def pin(process_id: int, core: int) -> None:
    """Keep a running process on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        for thread in Path(f"/proc/{process_id}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


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


@contextmanager
def _python_peer(script: str, folder: Path, deployment: Deployment, way: str) -> Iterator[str]:
    port = free_port()
    environ = {
        **os.environ,
        "BENCH_PORT": str(port),
        "BENCH_ISSUER": deployment.issuer,
        "BENCH_JWKS": f"{deployment.issuer}/.well-known/jwks.json",
        "BENCH_AUDIENCE": deployment.resource,
    }
    command = [str(peer_python(folder.parent)), str(_PEERS / script), way]
    with _running(f"{script.partition('_')[0]} {way}", command, folder, environ) as child:
        yield _until_it_answers(child, f"http://127.0.0.1:{port}") + "/mcp"


@contextmanager
def _running(name: str, command: list[str], folder: Path, environ: Mapping[str, str]) -> Iterator[Child]:
    log = folder / f"{name.replace(' ', '-')}.log"
    child = start(name, [*pinned(SERVER_CORE), *command], log, environ, folder)
    try:
        yield child
    finally:
        stop([child])


def _until_it_answers(child: Child, url: str) -> str:
    transport = httpx.HTTPTransport(retries=0)
    with httpx.Client(transport=transport) as http:
        for _ in range(600):
            try:
                http.get(url + "/never-there")
            except httpx.TransportError:
                if child.has_ended():
                    break
                time.sleep(0.05)
            else:
                return url
    raise BenchError(f"{child.name} did not start. Its log:\n{child.last_lines()}")
