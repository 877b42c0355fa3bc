"""What is noticed of the store beside the requests: its policy, and that other servers hold the data."""

import asyncio

import pytest
from redis.asyncio import Redis

from dev import local_store
from shared.clock import Clock
from shared.redis.client import StoreError, connect
from shared.redis.connections import REPLY_SECONDS, WAIT_MILLISECONDS
from shared.redis.scripts import load_script
from shared.redis.watch import EPOCH_KEY, StoreWatch
from shared.web.health import UNREADY_SECONDS, steady
from tests.auth_server.faulty_wire import Fault, wire_to
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


class Calls:
    """Counts calls; fails while told to."""

    def __init__(self) -> None:
        self.count = 0
        self.failing = False

    async def __call__(self) -> None:
        self.count += 1
        if self.failing:
            raise StoreError("away")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "volatile-lru"])
async def test_a_policy_that_evicts_is_noticed_and_so_is_its_end(
    redis: Redis, clock: Clock, policy: str
) -> None:
    watch = StoreWatch(redis, clock)
    await watch.look()
    assert await watch.evicts_nothing()
    await redis.config_set("maxmemory-policy", policy)
    try:
        await watch.look()
        assert not await watch.evicts_nothing()
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")
    await watch.look()
    assert await watch.evicts_nothing()


async def test_the_first_look_is_no_new_epoch(redis: Redis, clock: Clock) -> None:
    watch = StoreWatch(redis, clock)
    await watch.look()
    assert watch.epoch(seconds=1000) is None


async def test_other_servers_begin_an_epoch_that_every_replica_knows_for_so_long(
    redis: Redis, clock: Clock
) -> None:
    before = StoreWatch(redis, clock)
    await before.look()
    # As it is after a failover: the record came with the data, from the server before.
    await redis.hset(EPOCH_KEY, "identity", "another server")
    clock.advance(10)
    first, second = StoreWatch(redis, clock), StoreWatch(redis, clock)
    await first.look()
    clock.advance(10)
    await second.look()
    assert first.epoch(seconds=100) == second.epoch(seconds=100) is not None
    clock.advance(100)
    assert first.epoch(seconds=100) is None


async def test_whoever_is_to_be_told_of_a_new_epoch_is_told_until_it_succeeds(
    redis: Redis, clock: Clock
) -> None:
    told = Calls()
    watch = StoreWatch(redis, clock, on_epoch=told)
    await watch.look()
    watch._identity = "another server"
    told.failing = True
    await watch.look()
    for _ in range(2):
        with pytest.raises(StoreError):
            await watch._tell()
    told.failing = False
    await watch._tell()
    await watch._tell()
    assert told.count == 3


async def test_a_store_that_may_not_be_asked_is_taken_for_good(
    redis: Redis, redis_url: str, clock: Clock
) -> None:
    async with wire_to(redis_url) as wire, connect(wire.url) as mute:
        watch = StoreWatch(mute, clock)
        await mute.ping()
        wire.cut(Fault.NO_RIGHT)
        await watch.look()
        assert await watch.evicts_nothing()


async def test_a_script_that_the_store_forgot_is_sent_again(redis: Redis) -> None:
    take = load_script(redis, "shared.redis.lua", "take_tokens")
    for number in range(3):
        await redis.script_flush()
        assert await take(keys=[f"vt:limit:test:{number}"], args=[0, 1000, 5, 1]) == 0
        await redis.script_flush()
        taken = await take.settled(keys=[f"vt:limit:test:{number}"], args=[0, 1000, 5, 1], replicas=1)
        assert taken == (0, False)


async def test_a_script_that_settles_something_runs_to_its_end_though_whoever_asked_is_gone(
    redis: Redis,
) -> None:
    take = load_script(redis, "shared.redis.lua", "take_tokens")
    await redis.ping()
    asked = asyncio.create_task(take.settled(keys=["vt:limit:test:"], args=[0, 1000, 5, 1]))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked

    async def taken() -> bool:
        return bool(await redis.exists("vt:limit:test:"))

    await until(taken)


def test_whoever_waits_for_replicas_waits_longer_for_the_answer() -> None:
    assert WAIT_MILLISECONDS / 1000 + 0.15 <= REPLY_SECONDS


async def test_a_store_that_does_not_exist_is_no_answer(clock: Clock) -> None:
    async with connect(f"redis+sentinel://127.0.0.1:{local_store.free_port()}/mymaster") as nowhere:
        with pytest.raises(StoreError):
            await StoreWatch(nowhere, clock).look()
    nothing = connect(f"redis+cluster://127.0.0.1:{local_store.free_port()}")
    with pytest.raises(StoreError):
        await nothing.get("key")
    with pytest.raises(StoreError):
        await StoreWatch(nothing, clock).look()
    await nothing.aclose()


# --- Readiness ----------------------------------------------------------------------------------------------


class Switch:
    """A check that says what it is told to."""

    good = True

    async def __call__(self) -> bool:
        return self.good


async def test_one_blip_does_not_make_a_replica_unready_and_a_lasting_fault_does(clock: Clock) -> None:
    switch = Switch()
    check = steady(switch, clock.monotonic)
    assert await check()
    switch.good = False
    assert await check()
    clock.advance(UNREADY_SECONDS - 0.5)
    assert await check()
    clock.advance(0.5)
    assert not await check()
    switch.good = True
    assert await check()
    switch.good = False
    # A success in between: the time begins anew.
    assert await check()


async def test_a_replica_that_never_was_ready_is_forgiven_nothing(clock: Clock) -> None:
    switch = Switch()
    switch.good = False
    assert not await steady(switch, clock.monotonic)()
