"""How each fault is made and mended: what it breaks on entry, it mends on exit."""

import asyncio
import base64
import contextlib
import os
import random
import signal
import string
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import httpx

from dev.chaos.link import Mode
from dev.chaos.people import PATIENCE_SECONDS
from dev.chaos.world import Process, World, is_ready
from dev.local_replication import Replication
from dev.mcp_messages import modern

_STOP_SECONDS: Final = 40.0
"""Within which a service has ended in order."""

Broken = Callable[[World], AbstractAsyncContextManager[None]]


class BrokenPromiseError(Exception):
    """While something was broken, a promise that admits no exception was not kept."""


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise BrokenPromiseError(sentence)


async def _documents_stay(world: World) -> None:
    """Check that what needs no store is served: metadata, keys, liveness."""
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        for replica in world.auth:
            for path in ("/.well-known/oauth-authorization-server", "/.well-known/jwks.json", "/healthz"):
                answer = await http.get(f"{replica.url}{path}")
                _require(answer.status_code == 200, f"{path} at {replica.name}: {answer.status_code}")
        for replica in world.mcp:
            for path in ("/.well-known/oauth-protected-resource/mcp", "/healthz"):
                answer = await http.get(f"{replica.url}{path}")
                _require(answer.status_code == 200, f"{path} at {replica.name}: {answer.status_code}")


@asynccontextmanager
async def store_killed(world: World) -> AsyncIterator[None]:
    """End the store without a chance to save, then start it from its file."""
    world.one_store.kill()
    await _documents_stay(world)
    yield
    world.start_store()


@asynccontextmanager
async def store_paused(world: World) -> AsyncIterator[None]:
    """Stop the store where it stands."""
    world.one_store.pause()
    try:
        await _documents_stay(world)
        yield
    finally:
        world.one_store.resume()


def store_slow(seconds: float) -> Broken:
    """Let each answer of the store come so many seconds late."""

    @asynccontextmanager
    async def slow(world: World) -> AsyncIterator[None]:
        for link in world.links.values():
            link.delay = seconds
        try:
            yield
        finally:
            for link in world.links.values():
                link.delay = 0.0

    return slow


@asynccontextmanager
async def replies_cut(world: World) -> AsyncIterator[None]:
    """Cut connections in the middle of a reply, again and again, at another byte each time."""

    async def cut() -> None:
        while True:
            for link in world.links.values():
                link.cut_after = random.randrange(1, 4000)
                link.reset()
            await asyncio.sleep(0.3)

    task = asyncio.create_task(cut())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for link in world.links.values():
            link.cut_after = None
            link.reset()


def linked(mode: Mode, *names: str) -> Broken:
    """Let links to the store behave so; all, when no replica is named."""

    @asynccontextmanager
    async def changed(world: World) -> AsyncIterator[None]:
        chosen = [link for name, link in world.links.items() if not names or name in names]
        for link in chosen:
            link.set(mode)
        try:
            yield
        finally:
            for link in chosen:
                link.set(Mode.OPEN)
                # What was silent for long is a connection that nobody knows any more.
                link.reset()

    return changed


def store_setting(name: str, value: str) -> Broken:
    """Change one setting of the store."""

    @asynccontextmanager
    async def changed(world: World) -> AsyncIterator[None]:
        with world.redis() as redis:
            before = str(redis.config_get(name)[name])
            redis.config_set(name, value)
        try:
            yield
        finally:
            with world.redis() as redis:
                redis.config_set(name, before)

    return changed


@asynccontextmanager
async def store_emptied(world: World) -> AsyncIterator[None]:
    """Lose all data at once, as a store without a disk does; then bring them back."""
    with world.redis() as redis:
        kept = [(key, redis.dump(key), redis.pttl(key)) for key in redis.keys("*")]
        redis.flushall()
    try:
        await _unready(world)
        yield
    finally:
        with world.redis() as redis:
            redis.flushall()
            for key, value, left in kept:
                if left != -2 and value is not None:
                    redis.restore(key, max(left, 0), value)


async def _unready(world: World, seconds: float = 5.0) -> None:
    """Check that every replica says that it is not ready."""
    deadline = time.monotonic() + seconds
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        for replica in (*world.auth, *world.mcp):
            while await is_ready(http, replica):
                _require(time.monotonic() < deadline, f"{replica.name} still says that it is ready")
                await asyncio.sleep(0.05)


@asynccontextmanager
async def scripts_forgotten(world: World) -> AsyncIterator[None]:
    """Let the store forget every script, as a restart does."""
    with world.redis() as redis:
        redis.script_flush()
    yield


def replicas(
    choose: Callable[[World], list[Process]], down: Callable[[Process], None], up: Callable[[Process], None]
) -> Broken:
    """Put replicas down, and up again."""

    @asynccontextmanager
    async def away(world: World) -> AsyncIterator[None]:
        chosen = choose(world)
        for replica in chosen:
            down(replica)
        try:
            yield
        finally:
            for replica in chosen:
                up(replica)
            await world.until_ready(*chosen)

    return away


@asynccontextmanager
async def unknown_keys(world: World) -> AsyncIterator[None]:
    """Send a flood of tokens that name keys nobody has."""

    async def flood(http: httpx.AsyncClient) -> None:
        while True:
            kid = "".join(random.choices(string.ascii_letters, k=16))
            head = _base64url(f'{{"alg":"RS256","typ":"at+jwt","kid":"{kid}"}}')
            for replica in world.mcp:
                with contextlib.suppress(httpx.TransportError):
                    answer = await modern("tools/list").send(http, f"{replica.url}/mcp", f"{head}.e30.AAAA")
                    _require(answer.status_code in (401, 503), f"a forged token got {answer.status_code}")
            await asyncio.sleep(0.005)

    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        task = asyncio.create_task(flood(http))
        try:
            yield
        finally:
            task.cancel()
            ended = await asyncio.gather(task, return_exceptions=True)
            if isinstance(ended[0], BrokenPromiseError):
                raise ended[0]


def _base64url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def clock_off(offset: str) -> Broken:
    """Let the clocks of one replica of each service be off by so much (libfaketime)."""

    @asynccontextmanager
    async def skewed(world: World) -> AsyncIterator[None]:
        # One replica of each service; the other keeps the right time.
        chosen = (world.auth[-1], world.mcp[-1])
        faked = {"LD_PRELOAD": LIBFAKETIME, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        for replica in chosen:
            await restart(world, replica, **faked)
        try:
            yield
        finally:
            for replica in chosen:
                await restart(world, replica)

    return skewed


_FAKETIME: Final = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
)
LIBFAKETIME: Final = next((path for path in _FAKETIME if os.path.exists(path)), "")


async def rotate_key(world: World) -> None:
    """Rotate the signing key, as an operator does.

    Raises:
        BrokenPromiseError: the command failed.
    """
    command = [*world.auth[0].command, "keys", "rotate"]
    process = Process("rotate", command, 0, world.folder, world.auth[0].environ)
    process.start()
    status = await asyncio.to_thread(process.running.process.wait, 30)
    _require(status == 0, f"keys rotate ended with {status}:\n{process.running.last_lines()}")


@asynccontextmanager
async def key_rotated(world: World) -> AsyncIterator[None]:
    """Rotate the signing key."""
    await rotate_key(world)
    yield


@asynccontextmanager
async def val_town_gone(world: World) -> AsyncIterator[None]:
    """End Val Town's stand-in."""
    world.sandbox.kill()
    yield
    world.sandbox.start()


async def restart(world: World, replica: Process, **environ: str) -> None:
    """Let a replica end in order, and start it again, maybe with something else in its environment.

    Raises:
        BrokenPromiseError: it did not end in order.
    """
    process = replica.running.process
    process.terminate()
    status = await asyncio.to_thread(process.wait, _STOP_SECONDS)
    _require(status == 0, f"{replica.name} ended with {status}")
    replica.start(**environ)
    await world.until_ready(replica)


@asynccontextmanager
async def rolling_restart(world: World) -> AsyncIterator[None]:
    """Restart each replica in turn, while the others serve."""
    for replica in (*world.auth, *world.mcp):
        await restart(world, replica)
    yield


@asynccontextmanager
async def primary_killed(world: World) -> AsyncIterator[None]:
    """Kill a server that takes writes; another one takes its place by itself."""
    if world.servers is None:
        raise BrokenPromiseError("there is no other server")
    world.servers.kill(0)
    yield


@asynccontextmanager
async def master_paused(world: World) -> AsyncIterator[None]:
    """Stop the master where it stands, as when its machine is gone: no connection ends, and nothing answers.

    When it goes on, it finds that another is the master now.
    """
    if not isinstance(world.servers, Replication):
        raise BrokenPromiseError("nobody watches this store")
    world.servers.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        world.servers.signal(signal.SIGCONT)
