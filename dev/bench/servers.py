"""What is measured, each as a process on the server core: our two services, bare uvicorn, the peers."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is no service of ours: where it is asked, and its process."""

    url: str
    process_id: int


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
def bare(folder: Path, bodies: Mapping[str, str], way: str = FAST) -> Iterator[Server]:
    """Run bare uvicorn that answers these bodies by path; yield it, with its URL without a path."""
    prepared = folder / "bodies.json"
    prepared.write_text(json.dumps(bodies), encoding="utf-8")
    port, (http, loop) = free_port(), _UVICORN[way]
    command = [sys.executable, "-m", "uvicorn", "dev.bench.bare:app", "--port", str(port), "--no-access-log"]
    command += ["--http", http, "--loop", loop, "--lifespan", "off", "--log-level", "warning"]
    environ = {**os.environ, "BENCH_BODIES": str(prepared), "PYTHONPATH": str(ROOT)}
    with _running(f"bare uvicorn {way}", command, folder, environ) as child:
        yield Server(_until_it_answers(child, f"http://127.0.0.1:{port}"), child.process.pid)


@contextmanager
def fastmcp(
    folder: Path, deployment: Deployment, tools: Sequence[Mapping[str, Any]], way: str = FAST
) -> Iterator[Server]:
    """Run FastMCP for the same access tokens, with these tools; yield its endpoint."""
    with _python_peer("fastmcp_server.py", folder, deployment, tools, way) as server:
        yield server


@contextmanager
def sdk(
    folder: Path, deployment: Deployment, tools: Sequence[Mapping[str, Any]], way: str = FAST
) -> Iterator[Server]:
    """Run the official SDK's server for the same access tokens, with these tools; yield its endpoint."""
    with _python_peer("sdk_server.py", folder, deployment, tools, way) as server:
        yield server


@contextmanager
def oidc_provider(folder: Path) -> Iterator[Server]:
    """Run node's oidc-provider; yield its token endpoint."""
    port = free_port()
    home = node_home(folder.parent)
    environ = {**os.environ, "BENCH_PORT": str(port), "NODE_ENV": "production"}
    command = [tool("node"), str(home / "oidc_provider.mjs")]
    with _running("oidc-provider", command, folder, environ) as child:
        yield Server(_until_it_answers(child, f"http://127.0.0.1:{port}") + "/token", child.process.pid)


def pin(process_id: int, core: int) -> None:
    """Keep a running process on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        for thread in Path(f"/proc/{process_id}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


@contextmanager
def _python_peer(
    script: str, folder: Path, deployment: Deployment, tools: Sequence[Mapping[str, Any]], way: str
) -> Iterator[Server]:
    port, listed = free_port(), folder / "tools.json"
    listed.write_text(json.dumps(tools), encoding="utf-8")
    environ = {
        **os.environ,
        "BENCH_PORT": str(port),
        "BENCH_ISSUER": deployment.issuer,
        "BENCH_JWKS": f"{deployment.issuer}/.well-known/jwks.json",
        "BENCH_AUDIENCE": deployment.resource,
        "BENCH_TOOLS": str(listed),
    }
    command = [str(peer_python(folder.parent)), str(_PEERS / script), way]
    with _running(f"{script.partition('_')[0]} {way}", command, folder, environ) as child:
        yield Server(_until_it_answers(child, f"http://127.0.0.1:{port}") + "/mcp", child.process.pid)


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
