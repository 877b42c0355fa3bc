"""What is broken: a store, replicas of both services with a link to the store each, and the sandbox."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from redis import Redis
from redis.exceptions import RedisError

from dev.chaos.link import Link
from dev.deployment import AUTH, MCP, READY_SECONDS, SANDBOX, NotReadyError, environment, new_encryption_key
from dev.local_replication import Cluster, Replication
from dev.local_store import Binary, client_of, command_line
from dev.processes import Child, free_port, start, stop

_PAUSE: Final = 0.02


@dataclass(slots=True)
class Process:
    """A program that is stopped, continued, killed and started again, on the same port each time."""

    name: str
    command: list[str]
    port: int
    folder: Path
    environ: Mapping[str, str] | None = None
    child: Child | None = None
    starts: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def process_id(self) -> int:
        """Of the process that runs."""
        return self.running.process.pid

    @property
    def running(self) -> Child:
        """The process that was started last.

        Raises:
            NotReadyError: none was.
        """
        if self.child is None:
            raise NotReadyError(f"{self.name} was never started")
        return self.child

    def start(self, **environ: str) -> None:
        """Start it, with something else in its environment if need be."""
        self.starts += 1
        log = self.folder / f"{self.name}-{self.starts}.log"
        given = {**(self.environ or os.environ), **environ}
        self.child = start(self.name, self.command, log, given, self.folder)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.process_id, number)

    def pause(self) -> None:
        """Stop it where it stands: it keeps its connections and does not answer."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a chance to do anything, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.running.process.wait(5)

    def end(self) -> None:
        """End it in order, whatever state it is in."""
        if self.child is not None:
            if not self.child.has_ended():
                self.resume()
            stop([self.child])


@dataclass(slots=True)
class World:
    """Everything that runs.

    Attributes:
        store: the one store; None where there are several servers.
        servers: the servers of a store that is several.
        links: from each replica to the one store, by the replica's name.
    """

    store: Process | None
    servers: Replication | Cluster | None
    sandbox: Process
    auth: list[Process]
    mcp: list[Process]
    links: dict[str, Link]
    settings: Mapping[str, str]
    folder: Path

    @property
    def issuer(self) -> str:
        """OAUTH_ISSUER_URL."""
        return self.settings["OAUTH_ISSUER_URL"]

    @property
    def one_store(self) -> Process:
        """The one store.

        Raises:
            NotReadyError: there are several servers.
        """
        if self.store is None:
            raise NotReadyError("this store is several servers")
        return self.store

    def redis(self) -> Redis:
        """Return a client of the one store that goes past the links."""
        return client_of(f"redis://127.0.0.1:{self.one_store.port}/0")

    def start_store(self) -> None:
        """Start the store, and wait until it has read its file."""
        self.one_store.start()
        deadline = time.monotonic() + READY_SECONDS
        with self.redis() as client:
            while time.monotonic() < deadline:
                try:
                    if client.ping():
                        return
                except RedisError:
                    time.sleep(_PAUSE)
        raise NotReadyError("the store does not start")

    async def until_ready(self, *replicas: Process, seconds: float = READY_SECONDS) -> None:
        """Wait until these replicas are ready; all, when none is named.

        Raises:
            NotReadyError: one was not in time.
        """
        wanted = replicas or (*self.auth, *self.mcp)
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient(timeout=2) as http:
            for replica in wanted:
                while not await is_ready(http, replica):
                    if time.monotonic() > deadline:
                        raise NotReadyError(f"{replica.name} is not ready:\n{replica.running.last_lines()}")
                    await asyncio.sleep(_PAUSE)


async def is_ready(http: httpx.AsyncClient, replica: Process) -> bool:
    """Return whether a replica says that it is ready."""
    try:
        return (await http.get(f"{replica.url}/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@asynccontextmanager
async def open_world(
    binary: Binary,
    folder: Path,
    *,
    servers: Replication | Cluster | None = None,
    auth: int = 2,
    mcp: int = 2,
    **settings: str,
) -> AsyncIterator[World]:
    """Start everything, and end it at the end of the block.

    Args:
        binary: the store's server.
        folder: for logs and data.
        servers: a store of several servers that runs already, in place of one that is started.
        auth: replicas of auth_server.
        mcp: replicas of mcp_server.
        settings: of both services, where they differ from a plain start.
    """
    port = free_port()
    store = None
    if servers is None:
        store = Process("store", command_line(binary, folder, port, persist=True), port, folder)
    sandbox_port, auth_ports = free_port(), [free_port() for _ in range(auth)]
    mcp_ports = [free_port() for _ in range(mcp)]
    shared = {
        "OAUTH_ISSUER_URL": f"http://127.0.0.1:{auth_ports[0]}",
        "MCP_RESOURCE_URL": f"http://127.0.0.1:{mcp_ports[0]}/mcp",
        "OAUTH_ENCRYPTION_KEY": new_encryption_key(),
        "VAL_TOWN_API_URL": f"http://127.0.0.1:{sandbox_port}",
        "SANDBOX_PORT": str(sandbox_port),
        "SANDBOX_DATA_DIR": str(folder / "sandbox"),
        **settings,
    }
    sandbox = _service("sandbox", SANDBOX.module, sandbox_port, folder, shared)
    world = World(store, servers, sandbox, [], [], {}, shared, folder)
    try:
        if store is not None:
            world.start_store()
        sandbox.start()
        for number, own in enumerate(auth_ports):
            world.auth.append(await _replica(world, f"auth-{number}", AUTH.module, "AUTH_PORT", own))
        for number, own in enumerate(mcp_ports):
            keys_from = world.auth[number % auth].url
            replica = await _replica(
                world, f"mcp-{number}", MCP.module, "MCP_PORT", own, AUTH_SERVER_INTERNAL_URL=keys_from
            )
            world.mcp.append(replica)
        await world.until_ready()
        yield world
    finally:
        for process in (*world.mcp, *world.auth, sandbox, *([store] if store else [])):
            process.end()
        for link in world.links.values():
            await link.close()


async def _replica(
    world: World, name: str, module: str, port_setting: str, port: int, **settings: str
) -> Process:
    if world.servers is not None:
        url = world.servers.url
    else:
        link = world.links[name] = Link("127.0.0.1", world.one_store.port)
        url = f"redis://127.0.0.1:{await link.open()}/0"
    own = {"REDIS_URL": url, port_setting: str(port), **settings}
    process = _service(name, module, port, world.folder, {**world.settings, **own})
    process.start()
    return process


def _service(name: str, module: str, port: int, folder: Path, settings: Mapping[str, str]) -> Process:
    return Process(name, [sys.executable, "-m", module], port, folder, environment(settings))
