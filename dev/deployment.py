"""The sandbox and both services as child processes on free ports, for the demo and the end-to-end tests."""

import base64
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from dev.processes import Child, free_port, start, stop
from shared.settings import KNOWN_NAMES

ROOT: Final = Path(__file__).resolve().parent.parent
READY_SECONDS: Final = 30.0


class NotReadyError(Exception):
    """A service did not come up; the message carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Service:
    """One of our programs: its module, the setting of its port, and where it says that it is ready."""

    name: str
    module: str
    port_setting: str
    ready_path: str


SANDBOX: Final = Service("sandbox", "mcp_server.sandbox", "SANDBOX_PORT", "/healthz")
AUTH: Final = Service("auth", "auth_server", "AUTH_PORT", "/readyz")
MCP: Final = Service("mcp", "mcp_server", "MCP_PORT", "/readyz")


class Deployment:
    """Services that run together. `settings` is all they know: nothing comes from `.env`."""

    def __init__(self, services: tuple[Service, ...], settings: Mapping[str, str], folder: Path) -> None:
        """Take what to run, with which settings, and a folder for logs."""
        self.settings = settings
        self._services = services
        self._folder = folder
        self._children: dict[str, Child] = {}

    @property
    def issuer(self) -> str:
        """The authorization server, as clients see it."""
        return self.settings["OAUTH_ISSUER_URL"]

    @property
    def resource(self) -> str:
        """The MCP endpoint, as clients see it."""
        return self.settings["MCP_RESOURCE_URL"]

    def url(self, service: Service) -> str:
        """Return where a service listens."""
        return f"http://127.0.0.1:{self.settings[service.port_setting]}"

    def start(self) -> None:
        """Start what does not run, and wait until everything is ready.

        Raises:
            NotReadyError: one of them ended, or was not ready in time.
        """
        # Where no .env lies that they would read.
        workplace = self._folder / "empty"
        workplace.mkdir(parents=True, exist_ok=True)
        for service in self._services:
            if service.name not in self._children:
                self._children[service.name] = start(
                    service.name,
                    [sys.executable, "-m", service.module],
                    self._folder / f"{service.name}.log",
                    environment(self.settings),
                    workplace,
                )
        with httpx.Client() as http:
            for service in self._services:
                self._wait(http, service)

    def stop(self, *services: Service) -> None:
        """Stop some services, or all."""
        names = [service.name for service in services or self._services]
        stop([self._children.pop(name) for name in names if name in self._children])

    def process_id(self, service: Service) -> int:
        """Return the process id of a running service."""
        return self._children[service.name].process.pid

    def log_of(self, service: Service) -> str:
        """Return the end of a service's log."""
        return self._children[service.name].last_lines()

    def _wait(self, http: httpx.Client, service: Service) -> None:
        child = self._children[service.name]
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(http, self.url(service) + service.ready_path):
            if child.has_ended() or time.monotonic() > deadline:
                raise NotReadyError(f"{service.name} did not start. Its log:\n{child.last_lines()}")
            time.sleep(0.05)


@contextmanager
def deploy(store_url: str, folder: Path, **settings: str) -> Iterator[Deployment]:
    """Run everything over a store until the end of the block.

    Args:
        store_url: of the store.
        folder: for logs and the sandbox's data.
        settings: what shall differ from a plain start; with VAL_TOWN_API_URL no sandbox is started.

    Raises:
        NotReadyError: see there.
    """
    names = [service.port_setting for service in (SANDBOX, AUTH, MCP)]
    ports = {name: settings.get(name) or str(free_port()) for name in names}
    given = {
        **ports,
        "REDIS_URL": store_url,
        "OAUTH_ISSUER_URL": f"http://127.0.0.1:{ports['AUTH_PORT']}",
        "MCP_RESOURCE_URL": f"http://127.0.0.1:{ports['MCP_PORT']}/mcp",
        "AUTH_SERVER_INTERNAL_URL": f"http://127.0.0.1:{ports['AUTH_PORT']}",
        "OAUTH_ENCRYPTION_KEY": new_encryption_key(),
        "VAL_TOWN_API_URL": f"http://127.0.0.1:{ports['SANDBOX_PORT']}",
        "SANDBOX_DATA_DIR": str(folder / "sandbox"),
        **settings,
    }
    services = (AUTH, MCP) if "VAL_TOWN_API_URL" in settings else (SANDBOX, AUTH, MCP)
    deployment = Deployment(services, given, folder)
    try:
        deployment.start()
        yield deployment
    finally:
        deployment.stop()


def new_encryption_key() -> str:
    """Return a value for OAUTH_ENCRYPTION_KEY."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which our programs are found and know these settings alone."""
    ours = {*KNOWN_NAMES, "SANDBOX_HOST", "SANDBOX_PORT", "SANDBOX_DATA_DIR"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    # No load balancer has to notice that one of them ends.
    kept["DRAIN_SECONDS"] = "0"
    return {**kept, **settings, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _answers(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
