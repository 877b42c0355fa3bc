"""Runs a service under uvicorn: bounded, quiet, and with one clear sentence when it cannot start."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import NoReturn

import uvicorn
from redis.asyncio import Redis
from starlette.types import ASGIApp

from shared import tracing
from shared.key_check import StoreEmptiedError, WrongEncryptionKeyError
from shared.redis.client import StoreError
from shared.web.protocol import BoundedHttpToolsProtocol

DRAIN_SECONDS = 10
"""How long requests under way may go on after SIGTERM."""

KEEP_ALIVE_SECONDS = 75
MAX_CONNECTIONS = 4096
BACKLOG = 2048


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


def configuration(app: ASGIApp) -> uvicorn.Config:
    """Return how uvicorn serves: bounded, and never by what a client says of itself."""
    return uvicorn.Config(
        app,
        http=BoundedHttpToolsProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        # The request log is ours: it has the request id and never a query.
        access_log=False,
        server_header=False,
        # Nothing here depends on who the client says it is.
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def serve(
    app: ASGIApp, listener: socket.socket, redis: Redis, *, service: str, check: Callable[[], Awaitable[None]]
) -> None:
    """Serve until SIGINT or SIGTERM, finish what is in flight within DRAIN_SECONDS, then close the store.

    Raises:
        SystemExit: with status 2 and a sentence, when `check` raises WrongEncryptionKeyError.
    """
    config = configuration(app)
    server = uvicorn.Server(config)
    # uvicorn raises the signal again that stopped it. Neither is an error, and the store is to be closed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
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
