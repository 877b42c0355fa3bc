"""Several replicas of both services over one store, each on a port of its own, without a proxy in front."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from dev.deployment import AUTH, MCP, READY_SECONDS, SANDBOX, NotReadyError, environment, new_encryption_key
from dev.processes import Child, free_port, start, stop

_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Replicas:
    """What runs: URLs of each replica, without path, and the settings that all share."""

    auth: tuple[str, ...]
    mcp: tuple[str, ...]
    settings: Mapping[str, str]

    @property
    def issuer(self) -> str:
        """The issuer of all auth_server replicas: the first one's URL."""
        return self.settings["OAUTH_ISSUER_URL"]


@contextmanager
def replicate(
    store_url: str, folder: Path, *, auth: int = 2, mcp: int = 2, **settings: str
) -> Iterator[Replicas]:
    """Run a sandbox and so many replicas until the end of the block; each mcp_server has an auth_server.

    Args:
        store_url: of the store.
        folder: for logs and the sandbox's data.
        auth: replicas of auth_server.
        mcp: replicas of mcp_server.
        settings: what shall differ from a plain start.

    Raises:
        NotReadyError: one of them ended, or was not ready in time.
    """
    auth_ports = [free_port() for _ in range(auth)]
    mcp_ports = [free_port() for _ in range(mcp)]
    sandbox_port = free_port()
    shared = {
        "REDIS_URL": store_url,
        "OAUTH_ISSUER_URL": f"http://127.0.0.1:{auth_ports[0]}",
        "MCP_RESOURCE_URL": f"http://127.0.0.1:{(mcp_ports or [8000])[0]}/mcp",
        "OAUTH_ENCRYPTION_KEY": new_encryption_key(),
        "VAL_TOWN_API_URL": f"http://127.0.0.1:{sandbox_port}",
        "SANDBOX_PORT": str(sandbox_port),
        "SANDBOX_DATA_DIR": str(folder / "sandbox"),
        **settings,
    }
    wanted = [("sandbox", SANDBOX.module, sandbox_port, SANDBOX.ready_path, shared)]
    for number, port in enumerate(auth_ports):
        wanted.append(
            (f"auth-{number}", AUTH.module, port, AUTH.ready_path, {**shared, "AUTH_PORT": str(port)})
        )
    for number, port in enumerate(mcp_ports):
        keys_from = f"http://127.0.0.1:{auth_ports[number % auth]}"
        own = {**shared, "MCP_PORT": str(port), "AUTH_SERVER_INTERNAL_URL": keys_from}
        wanted.append((f"mcp-{number}", MCP.module, port, MCP.ready_path, own))
    workplace = folder / "empty"
    workplace.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        children = []
        for name, module, port, ready, own in wanted:
            command = [sys.executable, "-m", module]
            child = start(name, command, folder / f"{name}.log", environment(own), workplace)
            stack.callback(stop, [child])
            children.append((child, f"http://127.0.0.1:{port}{ready}"))
        for child, url in children:
            _until_ready(child, url)
        yield Replicas(
            auth=tuple(f"http://127.0.0.1:{port}" for port in auth_ports),
            mcp=tuple(f"http://127.0.0.1:{port}" for port in mcp_ports),
            settings=shared,
        )


def _until_ready(child: Child, url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with httpx.Client() as http:
        while not _is_ready(http, url):
            if child.has_ended() or time.monotonic() > deadline:
                raise NotReadyError(f"{child.name} did not start. Its log:\n{child.last_lines()}")
            time.sleep(_PAUSE)


def _is_ready(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
