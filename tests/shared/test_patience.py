"""What waits while a store fails over, what does not, and what is never done twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.exceptions import ClusterDownError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import TimeoutError as StoreTimeoutError

from shared.redis.patience import (
    AT_ONCE,
    MAX_WAITING,
    CrowdedError,
    Patience,
    Where,
    asked_by,
    hurried,
    is_repeatable,
    may_wait,
)
from shared.redis.unsent import unsent
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

LONG = 60.0
"""Seconds that no test lasts."""


class Store:
    """A store that is there or not, and what was sent to it."""

    def __init__(self) -> None:
        self.error: RedisError | None = None
        self.sent: list[str] = []
        self.probes = 0
        self.where = Where(part=lambda: "master", probe=self._probe)
        self.at_once = self.most_at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def command(self, name: str = "command") -> Callable[[], Awaitable[str]]:
        async def send() -> str:
            self.sent.append(name)
            if self.error is not None:
                raise self.error
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await self.gate.wait()
            self.at_once -= 1
            return f"{name} done"

        return send

    async def _probe(self) -> None:
        self.probes += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
async def patience(anyio_backend: str) -> AsyncIterator[Patience]:
    made = Patience(wait_seconds=LONG, outage_seconds=LONG)
    yield made
    await made.aclose()


@pytest.fixture
def store(anyio_backend: str) -> Store:
    return Store()


def never_sent() -> StoreConnectionError:
    return unsent(StoreConnectionError("refused"))


async def start(
    patience: Patience, store: Store, name: str = "command", *, repeatable: bool = False
) -> "asyncio.Task[str]":
    """Return an operation that waits."""
    before = patience.waiting
    task = asyncio.create_task(patience.run(store.command(name), store.where, repeatable=repeatable))

    async def waits() -> bool:
        return patience.waiting > before or task.done()

    await until(waits)
    return task


@pytest.mark.parametrize(
    "error", [never_sent(), ReadOnlyError("read only"), ClusterDownError("CLUSTERDOWN not served")]
)
async def test_what_certainly_did_nothing_is_done_when_the_store_is_back(
    patience: Patience, store: Store, error: RedisError
) -> None:
    store.error = error
    waiting = await start(patience, store)
    store.error = None
    assert await waiting == "command done"
    assert store.sent == ["command", "command"]
    assert patience.waiting == 0


@pytest.mark.parametrize("error", [StoreConnectionError("reset"), StoreTimeoutError("no reply")])
async def test_what_may_have_run_is_never_sent_twice(
    patience: Patience, store: Store, error: RedisError
) -> None:
    store.error = error
    with pytest.raises(type(error)):
        await patience.run(store.command(), store.where, repeatable=False)
    assert store.sent == ["command"]


@pytest.mark.parametrize("error", [StoreConnectionError("reset"), StoreTimeoutError("no reply")])
async def test_what_may_run_twice_is_sent_again(patience: Patience, store: Store, error: RedisError) -> None:
    store.error = error
    waiting = await start(patience, store, repeatable=True)
    store.error = None
    assert await waiting == "command done"


async def test_what_was_tried_again_and_may_have_run_then_is_not_tried_a_third_time(
    patience: Patience, store: Store
) -> None:
    store.error = never_sent()

    async def probe() -> None:
        store.error = StoreTimeoutError("no reply")

    store.where = Where(part=store.where.part, probe=probe)
    with pytest.raises(StoreTimeoutError):
        await patience.run(store.command(), store.where, repeatable=False)
    assert store.sent == ["command", "command"]


async def test_a_refusal_of_the_command_itself_is_no_failover(patience: Patience, store: Store) -> None:
    store.error = ResponseError("WRONGTYPE")
    with pytest.raises(ResponseError):
        await patience.run(store.command(), store.where, repeatable=True)
    assert store.sent == ["command"]
    assert store.probes == 0


async def test_what_comes_while_the_store_is_away_is_not_sent_there(patience: Patience, store: Store) -> None:
    store.error = never_sent()
    first = await start(patience, store, "first")
    second = await start(patience, store, "second")
    assert store.sent == ["first"]
    store.error = None
    assert await asyncio.gather(first, second) == ["first done", "second done"]


async def test_those_who_waited_go_on_a_few_at_a_time(patience: Patience, store: Store) -> None:
    store.error = never_sent()
    waiting = [await start(patience, store) for _ in range(3 * AT_ONCE)]
    store.gate.clear()
    store.error = None

    async def as_many_as_may() -> bool:
        return store.at_once == AT_ONCE

    await until(as_many_as_may)
    store.gate.set()
    await asyncio.gather(*waiting)
    assert store.most_at_once == AT_ONCE


async def test_beyond_the_bound_nobody_waits(patience: Patience, store: Store) -> None:
    store.error = never_sent()
    waiting = [await start(patience, store) for _ in range(MAX_WAITING)]
    with pytest.raises(StoreConnectionError):
        await patience.run(store.command(), store.where, repeatable=True)
    store.error = None
    assert len(await asyncio.gather(*waiting)) == MAX_WAITING


async def test_an_operation_waits_no_longer_than_it_may(store: Store) -> None:
    patience = Patience(wait_seconds=0.0, outage_seconds=LONG)
    store.error = never_sent()
    with pytest.raises(StoreConnectionError):
        await patience.run(store.command(), store.where, repeatable=True)
    assert store.sent == ["command"]
    await patience.aclose()


async def test_for_a_store_that_stays_away_nobody_waits(store: Store) -> None:
    patience = Patience(wait_seconds=LONG, outage_seconds=0.0)
    store.error = never_sent()
    for _ in range(2):
        with pytest.raises(StoreConnectionError):
            await patience.run(store.command(), store.where, repeatable=True)
    # Each looks for itself now.
    assert store.sent == ["command", "command"]
    store.error = None
    assert await patience.run(store.command(), store.where, repeatable=True) == "command done"
    await patience.aclose()


async def test_parts_that_are_there_are_not_held_up_by_one_that_is_away(
    patience: Patience, store: Store
) -> None:
    other = Store()
    other.where = Where(part=lambda: "other", probe=other.where.probe)
    store.error = never_sent()
    waiting = await start(patience, store)
    assert await patience.run(other.command(), other.where, repeatable=False) == "command done"
    store.error = None
    await waiting


async def test_nothing_is_done_for_whoever_has_gone_meanwhile(patience: Patience, store: Store) -> None:
    gone = False

    async def has_gone() -> bool:
        return gone

    store.error = never_sent()
    with asked_by(has_gone):
        patient = await start(patience, store, "patient")
        # Who is still there gets it.
        store.error = None
        assert await patient == "patient done"
        store.error = never_sent()
        impatient = await start(patience, store, "impatient")
    gone = True
    store.error = None
    with pytest.raises(StoreConnectionError):
        await impatient
    assert store.sent == ["patient", "patient", "impatient"]


async def test_work_that_comes_back_by_itself_does_not_wait(patience: Patience, store: Store) -> None:
    store.error = never_sent()
    waiting = await start(patience, store)
    with hurried(), pytest.raises(StoreConnectionError):
        await patience.run(store.command(), store.where, repeatable=True)
    store.error = None
    await waiting


async def test_too_many_at_once_are_no_failover(patience: Patience, store: Store) -> None:
    store.error = CrowdedError("no connection")
    with pytest.raises(CrowdedError):
        await patience.run(store.command(), store.where, repeatable=True)
    assert store.probes == 0


async def test_one_who_is_cancelled_while_waiting_leaves_nothing_behind(
    patience: Patience, store: Store
) -> None:
    store.error = never_sent()
    cancelled, stays = await start(patience, store, "cancelled"), await start(patience, store, "stays")
    cancelled.cancel()
    store.error = None
    assert await stays == "stays done"
    assert patience.waiting == 0
    assert store.sent == ["cancelled", "stays"]


async def test_a_client_that_is_closed_while_parts_are_away_lets_nobody_wait(store: Store) -> None:
    patience = Patience(wait_seconds=LONG, outage_seconds=LONG)
    store.error = never_sent()
    other = Store()
    other.error = never_sent()
    other.where = Where(part=lambda: "other", probe=other.where.probe)
    waiting = [await start(patience, each) for each in (store, other)]
    await patience.aclose()
    for each in waiting:
        with pytest.raises(StoreConnectionError):
            await each


def test_reads_and_declared_scripts_may_run_twice_and_nothing_else() -> None:
    assert is_repeatable(("GET", "key"))
    assert is_repeatable(("HGETALL", "key"))
    for command in (
        ("SET", "key", "1"),
        ("INCR", "key"),
        ("EVALSHA", "unknown", 1, "key"),
        ("GETDEL", "key"),
    ):
        assert not is_repeatable(command)
    assert may_wait(("GET", "key"))
    for name in ("PING", "INFO", "SCAN", "ROLE"):
        assert not may_wait((name,))
