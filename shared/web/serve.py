"""Runs a service under uvicorn: bounded, quiet, and with one clear sentence when it cannot start."""

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import uvicorn
from redis.asyncio import Redis
from starlette.types import ASGIApp

from shared import tracing
from shared.key_check import StoreEmptiedError, WrongEncryptionKeyError
from shared.redis.client import StoreError
from shared.web.draining import Draining
from shared.web.overload import Overload, OverloadPolicy
from shared.web.protocol import BoundedHttpToolsProtocol

FINISH_SECONDS = 22
"""How long requests under way may go on when no more are taken: longer than any call to Val Town."""

ANSWER_SECONDS = 2
"""How long the answers to those that were not finished may take."""

KEEP_ALIVE_SECONDS = 75
MAX_CONNECTIONS = 4096
BACKLOG = 2048

_OWN_FILES = 64
"""File descriptors that no connection may use: code, certificates, the listener, the feed of revocations."""


def listen(host: str, port: int, *, setting: str) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        SystemExit: with status 1, after a sentence that names the setting to change.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        # asyncio and socket add the address to strerror; errno says it once.
        reason = os.strerror(error.errno) if error.errno else str(error)
        _say(f"Cannot listen on {host}:{port}: {reason}. Set {setting} to another port.")
        raise SystemExit(1) from None


def cannot_start(service: str, problems: Iterable[str]) -> NoReturn:
    """Tell the person at the terminal why a service does not start, one sentence each.

    Raises:
        SystemExit: always, with status 2.
    """
    _say(f"{service} cannot start:")
    for problem in problems:
        _say(f"  - {problem}")
    raise SystemExit(2)


def configuration(app: Overload, listener: socket.socket) -> uvicorn.Config:
    """Return how uvicorn serves on a listener: bounded, and never by what a client says of itself."""
    listener.setblocking(False)
    shared = {"overload": app, "listener": listener}
    return uvicorn.Config(
        app,
        http=type("Protocol", (BoundedHttpToolsProtocol,), shared),
        interface="asgi3",
        ws="none",
        lifespan="on",
        log_config=None,
        # The request log is ours: it has the request id and never a query.
        access_log=False,
        server_header=False,
        # Nothing here depends on who the client says it is.
        proxy_headers=False,
        limit_concurrency=most_connections(),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS + ANSWER_SECONDS,
    )


def most_connections() -> int:
    """Ask for as many files as may be opened; return how many connections of clients this process takes.

    A third of the files is for connections of ours, to the store and to Val Town, and another one for
    connections too many, until they have their answer.
    """
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource

    wanted = 3 * MAX_CONNECTIONS + _OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    available = wanted if soft == resource.RLIM_INFINITY else soft
    return max(16, min(MAX_CONNECTIONS, (available - _OWN_FILES) // 3))


class _Server(uvicorn.Server):
    """uvicorn, taking leave in steps: see `shared.web.draining`."""

    def __init__(self, config: uvicorn.Config, draining: Draining, *, drain_seconds: float) -> None:
        super().__init__(config)
        self._draining = draining
        self._drain_seconds = drain_seconds
        self._leave_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._leave_at is not None:
            # Who says it twice does not want to wait. The first process of a container cannot be ended by a
            # signal that it does not handle.
            os._exit(128 + sig)
        self._draining.begin()
        # Ctrl-C is from a terminal, which no load balancer looks at.
        self._leave_at = time.monotonic() + (0 if sig == signal.SIGINT else self._drain_seconds)

    async def on_tick(self, counter: int) -> bool:
        if self._leave_at is not None and time.monotonic() >= self._leave_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(FINISH_SECONDS, self._draining.cut_off)
        await super().shutdown(sockets)


def serve(
    app: ASGIApp,
    listener: socket.socket,
    redis: Redis,
    *,
    service: str,
    check: Callable[[], Awaitable[None]],
    drain_seconds: float,
    overload: OverloadPolicy,
) -> None:
    """Serve until told to stop, then finish what is under way and close the store.

    From SIGTERM on the process is not ready but serves on for `drain_seconds`; from then on, or from SIGINT,
    it takes no more requests and has FINISH_SECONDS for the rest. A second signal ends it at once.

    Raises:
        SystemExit: with status 2 and a sentence, when `check` raises WrongEncryptionKeyError.
    """
    draining = Draining(app)
    config = configuration(Overload(draining, overload), listener)
    server = _Server(config, draining, drain_seconds=drain_seconds)
    # Before and after uvicorn handles it: no error, and the store is to be closed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        # What is there from the start stays: collections that looked at it would take tens of milliseconds.
        gc.freeze()
        try:
            runner.run(_check_key(check, service))
            runner.run(server.serve(sockets=[listener]))
        finally:
            runner.run(redis.aclose())
            tracing.stop()
    if not server.started:
        raise SystemExit(1)


async def _check_key(check: Callable[[], Awaitable[None]], service: str) -> None:
    # A store that is away or empty is no reason not to start: the service is not ready until it comes.
    with suppress(StoreError, StoreEmptiedError, OSError):
        try:
            await check()
        except WrongEncryptionKeyError as error:
            cannot_start(service, [str(error)])


def _say(text: str) -> None:
    # To the person who started it: the log may go elsewhere.
    print(text, file=sys.stderr)  # noqa: T201
