"""The faults, one by one: how each is made and mended, and what must hold beside what always must."""

import asyncio
import base64
import contextlib
import os
import random
import string
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final

import httpx

from dev.chaos.link import Mode
from dev.chaos.people import PATIENCE_SECONDS, People, Story
from dev.chaos.world import Process, World, is_ready
from dev.mcp_messages import modern

_STOP_SECONDS: Final = 40.0
"""Within which a service has ended in order."""

FRESH_SECONDS: Final = 5.0
"""After which mcp_server no longer trusts a list of revocations that it cannot prove fresh."""


class StoreKind(Enum):
    """What store the services run on."""

    ONE = "one server"
    SENTINEL = "a master, two replicas, three Sentinels"
    CLUSTER = "a cluster, 3 + 3"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        id: of the matrix.
        name: what happens, for people.
        broken: breaks it on entry, mends it on exit.
        seconds: how long it stays broken.
        holds: returns what else went wrong, by what was seen; empty when nothing did.
        recovery: seconds within which everything succeeds again after the repair.
        store: how many servers it is.
    """

    id: str
    name: str
    broken: Callable[[World, People], AbstractAsyncContextManager[None]]
    holds: Callable[[Story], list[str]] = lambda _story: []
    seconds: float = 3.0
    recovery: float = 5.0
    store: StoreKind = StoreKind.ONE


def _succeed(least: float, *kinds: str) -> Callable[[Story], list[str]]:
    def check(story: Story) -> list[str]:
        return [f"{kind}: {story.share(kind):.1%} succeeded" for kind in kinds if story.share(kind) < least]

    return check


def _answers_within(seconds: float) -> Callable[[Story], list[str]]:
    def check(story: Story) -> list[str]:
        slow = story.slowest > seconds
        return [f"an answer took {story.slowest:.2f} s, more than {seconds:g} s"] if slow else []

    return check


def _both(*checks: Callable[[Story], list[str]]) -> Callable[[Story], list[str]]:
    return lambda story: [problem for check in checks for problem in check(story)]


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
async def _store_killed(world: World, _people: People) -> AsyncIterator[None]:
    world.one_store.kill()
    await _documents_stay(world)
    yield
    world.start_store()


@asynccontextmanager
async def _store_paused(world: World, _people: People) -> AsyncIterator[None]:
    world.one_store.pause()
    try:
        await _documents_stay(world)
        yield
    finally:
        world.one_store.resume()


def _store_slow(seconds: float) -> Callable[[World, People], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def slow(world: World, _people: People) -> AsyncIterator[None]:
        for link in world.links.values():
            link.delay = seconds
        try:
            yield
        finally:
            for link in world.links.values():
                link.delay = 0.0

    return slow


@asynccontextmanager
async def _replies_cut(world: World, _people: People) -> AsyncIterator[None]:
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


def _linked(mode: Mode, *names: str) -> Callable[[World, People], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def changed(world: World, _people: People) -> AsyncIterator[None]:
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


def _store_setting(name: str, value: str) -> Callable[[World, People], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def changed(world: World, _people: People) -> AsyncIterator[None]:
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
async def _store_emptied(world: World, _people: People) -> AsyncIterator[None]:
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
async def _scripts_forgotten(world: World, _people: People) -> AsyncIterator[None]:
    with world.redis() as redis:
        redis.script_flush()
    yield


def _replicas(
    choose: Callable[[World], list[Process]], down: Callable[[Process], None], up: Callable[[Process], None]
) -> Callable[[World, People], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def away(world: World, _people: People) -> AsyncIterator[None]:
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
async def _unknown_keys(world: World, _people: People) -> AsyncIterator[None]:
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


def _clock_off(offset: str) -> Callable[[World, People], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def skewed(world: World, _people: People) -> AsyncIterator[None]:
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
async def _key_rotated(world: World, _people: People) -> AsyncIterator[None]:
    await rotate_key(world)
    yield


@asynccontextmanager
async def _val_town_gone(world: World, _people: People) -> AsyncIterator[None]:
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
async def _rolling_restart(world: World, _people: People) -> AsyncIterator[None]:
    """Restart each replica in turn, while the others serve."""
    for replica in (*world.auth, *world.mcp):
        await restart(world, replica)
    yield


@asynccontextmanager
async def _primary_killed(world: World, _people: People) -> AsyncIterator[None]:
    """Kill a server that takes writes; another one takes its place by itself."""
    if world.servers is None:
        raise BrokenPromiseError("there is no other server")
    world.servers.kill(0)
    yield


def _kill(replica: Process) -> None:
    replica.kill()


def _start(replica: Process) -> None:
    replica.start()


FAULTS: Final = (
    Fault("F1", "store killed, started again", _store_killed, _answers_within(2.0)),
    Fault("F2", "store hangs (SIGSTOP)", _store_paused, _answers_within(2.0)),
    Fault("F3", "store slow, 50 ms", _store_slow(0.05), _succeed(0.99, "list", "call", "refresh")),
    Fault(
        "F3",
        "store slow, 200 ms",
        _store_slow(0.2),
        _both(_answers_within(2.5), _succeed(0.99, "list")),
    ),
    Fault("F3", "store slow, 1000 ms", _store_slow(1.0), _answers_within(2.5)),
    Fault("F4", "replies cut in the middle", _replies_cut, _answers_within(2.5)),
    Fault("F5", "store emptied, data restored", _store_emptied, recovery=10.0),
    Fault("F6", "master killed, Sentinel failover", _primary_killed, seconds=5.0, store=StoreKind.SENTINEL),
    Fault(
        "F9",
        "store full (maxmemory 1)",
        _store_setting("maxmemory", "1"),
        _succeed(0.99, "list", "revoke"),
    ),
    Fault("F10", "store may evict", _store_setting("maxmemory-policy", "allkeys-lru")),
    Fault("F12", "store forgets its scripts", _scripts_forgotten, _succeed(1.0, "list", "call", "refresh")),
    Fault("F13", "a primary of the cluster killed", _primary_killed, seconds=8.0, store=StoreKind.CLUSTER),
    Fault(
        "F14",
        "all auth_servers killed",
        _replicas(lambda world: world.auth, _kill, _start),
        _succeed(1.0, "list", "call"),
    ),
    Fault("F16", "signing key rotated", _key_rotated, _succeed(1.0, "list", "call", "refresh")),
    Fault("F17", "flood of unknown keys", _unknown_keys, _succeed(0.99, "list", "call", "refresh")),
    Fault(
        "F18",
        "clocks of one replica each 30 s behind",
        _clock_off("-30s"),
        _succeed(0.97, "list", "call", "refresh"),
    ),
    Fault(
        "F18",
        "clocks of one replica each 30 s ahead",
        _clock_off("+30s"),
        _succeed(0.97, "list", "call", "refresh"),
    ),
    Fault(
        "F19",
        "one mcp_server killed",
        _replicas(lambda world: world.mcp[-1:], _kill, _start),
        _succeed(0.95, "list", "call"),
    ),
    Fault(
        "F19",
        "one auth_server killed",
        _replicas(lambda world: world.auth[-1:], _kill, _start),
        _succeed(0.9, "refresh"),
    ),
    Fault(
        "F20",
        "one mcp_server cut off from the store, silently",
        _linked(Mode.SILENT, "mcp-1"),
        seconds=FRESH_SECONDS + 3,
    ),
    Fault(
        "F21",
        "all links silent, no RST",
        _linked(Mode.SILENT),
        _answers_within(2.5),
        seconds=FRESH_SECONDS + 3,
    ),
    Fault("F21", "all links reset", _linked(Mode.SHUT), _answers_within(2.5)),
    Fault(
        "F22",
        "rolling restart of all replicas",
        _rolling_restart,
        _succeed(0.99, "list", "call", "refresh"),
    ),
    Fault("F26", "Val Town gone", _val_town_gone, _succeed(1.0, "list", "refresh")),
    Fault(
        "F29",
        "one mcp_server hangs (SIGSTOP)",
        _replicas(lambda world: world.mcp[-1:], Process.pause, Process.resume),
        seconds=6.0,
    ),
    Fault(
        "F29",
        "one auth_server hangs (SIGSTOP)",
        _replicas(lambda world: world.auth[-1:], Process.pause, Process.resume),
        seconds=6.0,
    ),
)
