"""What is measured, each as a process on the server core: our two services, bare uvicorn, FastMCP."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from dev.bench.load import LOAD_CORE, SERVER_CORE, BenchError, pinned
from dev.deployment import AUTH, MCP, ROOT, SANDBOX, Deployment, deploy
from dev.processes import Child, free_port, start, stop
from dev.store import open_store

OIDC_PROVIDER: Final = "9.11.4"
_PEER_REQUIREMENTS: Final = ROOT / "requirements" / "bench.txt"


@contextmanager
def ours(folder: Path, **settings: str) -> Iterator[Deployment]:
    """Run both services with these settings on the server core, store and sandbox on the other."""
    # A store of its own each time: every deployment has an encryption key of its own.
    folder = Path(tempfile.mkdtemp(dir=folder))
    with open_store({"PATH": os.environ.get("PATH", "")}, folder / "store") as store:
        if store.child is not None:
            _pin(store.child.process.pid, LOAD_CORE)
        with deploy(store.url, folder, **settings) as deployment:
            _pin(deployment.process_id(SANDBOX), LOAD_CORE)
            for service in (AUTH, MCP):
                _pin(deployment.process_id(service), SERVER_CORE)
            yield deployment


@contextmanager
def bare(folder: Path, bodies: Mapping[str, str]) -> Iterator[str]:
    """Run bare uvicorn that answers these bodies by path; yield its URL."""
    prepared = folder / "bodies.json"
    prepared.write_text(json.dumps(bodies), encoding="utf-8")
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "dev.bench.bare:app", "--port", str(port), "--no-access-log"]
    command += ["--http", "httptools", "--loop", "uvloop", "--lifespan", "off", "--log-level", "warning"]
    environ = {**os.environ, "BENCH_BODIES": str(prepared), "PYTHONPATH": str(ROOT)}
    with _running("bare uvicorn", command, folder, environ) as child:
        yield _until_it_answers(child, f"http://127.0.0.1:{port}")


@contextmanager
def fastmcp(folder: Path, deployment: Deployment) -> Iterator[str]:
    """Run FastMCP for the same access tokens; yield the URL of its endpoint."""
    port = free_port()
    environ = {
        **os.environ,
        "BENCH_PORT": str(port),
        "BENCH_ISSUER": deployment.issuer,
        "BENCH_JWKS": f"{deployment.issuer}/.well-known/jwks.json",
        "BENCH_AUDIENCE": deployment.resource,
    }
    command = [str(_peer_python(folder.parent)), str(ROOT / "dev" / "bench" / "peer.py")]
    with _running("FastMCP", command, folder, environ) as child:
        yield _until_it_answers(child, f"http://127.0.0.1:{port}") + "/mcp"


@contextmanager
def oidc_provider(folder: Path) -> Iterator[str]:
    """Run node's oidc-provider; yield the URL of its token endpoint."""
    port = free_port()
    home = _node_home(folder.parent)
    environ = {**os.environ, "BENCH_PORT": str(port), "NODE_ENV": "production"}
    with _running("oidc-provider", [_tool("node"), str(home / "peer.mjs")], folder, environ) as child:
        yield _until_it_answers(child, f"http://127.0.0.1:{port}") + "/token"


def _node_home(folder: Path) -> Path:
    """Return the folder with oidc-provider and its script, filled when it is missing."""
    home = folder / "node"
    home.mkdir(exist_ok=True)
    if not (home / "node_modules" / "oidc-provider").exists():
        print("Installing oidc-provider …", flush=True)
        install = [_tool("npm"), "install", "--no-audit", "--no-fund", f"oidc-provider@{OIDC_PROVIDER}"]
        (home / "package.json").write_text('{"private": true, "type": "module"}\n', encoding="utf-8")
        if subprocess.run(install, check=False, capture_output=True, cwd=home).returncode:
            raise BenchError("oidc-provider could not be installed; leave it out with --without-peers")
    shutil.copy(ROOT / "dev" / "bench" / "peer.mjs", home)
    return home


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BenchError(f"{name} is not installed; leave out what needs it with --without-peers")
    return found


def _peer_python(folder: Path) -> Path:
    """Return the Python of FastMCP's environment, made when it is missing or older than its requirements."""
    home = folder / "peer"
    python = home / "bin" / "python"
    done = home / ".installed"
    if not done.exists() or done.stat().st_mtime < _PEER_REQUIREMENTS.stat().st_mtime:
        print("Installing FastMCP into an environment of its own …", flush=True)
        venv.create(home, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        install += ["--no-warn-script-location", "--require-hashes", "--requirement", str(_PEER_REQUIREMENTS)]
        if subprocess.run(install, check=False, capture_output=True).returncode:
            raise BenchError("FastMCP could not be installed; leave it out with --without-peers")
        done.touch()
    return python


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


def _pin(process_id: int, core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        for thread in Path(f"/proc/{process_id}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
