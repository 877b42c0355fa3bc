"""The revocation list: complete and proved to be so, or known not to be (the feed of `shared.revocation`)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from shared.background import running
from shared.clock import Clock
from shared.redis.client import connect
from shared.revocation import BEAT_SECONDS, CHANNEL, FRESH_SECONDS, RevocationList, deny_key
from tests.auth_server.faulty_wire import Fault, wire_to
from tests.requirements import requirement
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

GRANT = "g" * 22
OTHER = "h" * 22


class StillClock:
    """A monotonic clock that stands until it is turned."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@asynccontextmanager
async def following(revocations: RevocationList, *, beating: bool = True) -> AsyncIterator[None]:
    """Run the list beside the test, as a service does; `beating=False` leaves its own beats out."""
    tasks = {"feed": revocations.run}
    if beating:
        tasks["beats"] = revocations.send_beats
    async with running(tasks, namespace="test"):
        yield


async def until_fresh(revocations: RevocationList) -> None:
    async def fresh() -> bool:
        return revocations.is_fresh()

    await until(fresh)


async def until_revoked(revocations: RevocationList, grant_id: str, token_id: str = "token") -> None:
    async def revoked() -> bool:
        return revocations.is_revoked(grant_id, token_id)

    await until(revoked)


async def revoke(redis: Redis, entry: str, key: str, seconds: int = 100) -> None:
    await redis.set(key, "1", ex=seconds)
    await redis.publish(CHANNEL, f"deny {entry} {seconds}")


async def test_before_the_first_proof_it_is_not_fresh(redis: Redis, clock: Clock) -> None:
    revocations = RevocationList(redis, clock)
    assert not revocations.is_fresh()
    assert revocations.age() == float("inf")


@requirement("H173")
async def test_a_published_revocation_is_known_at_once(redis: Redis, clock: Clock) -> None:
    revocations = RevocationList(redis, clock)
    async with following(revocations):
        await until_fresh(revocations)
        assert not revocations.is_revoked(GRANT, "token")
        await revoke(redis, GRANT, deny_key(GRANT))
        await until_revoked(revocations, GRANT)
        assert not revocations.is_revoked(OTHER, "token")


@requirement("F114")
async def test_one_token_is_revoked_without_its_grant(redis: Redis, clock: Clock) -> None:
    revocations = RevocationList(redis, clock)
    async with following(revocations):
        await until_fresh(revocations)
        await revoke(redis, f"{GRANT}:one", deny_key(GRANT, "one"))
        await until_revoked(revocations, GRANT, "one")
        assert not revocations.is_revoked(GRANT, "two")


async def test_revocations_from_before_it_started_are_known_when_it_is_fresh(
    redis: Redis, clock: Clock
) -> None:
    for number in range(50):
        await redis.set(deny_key(f"grant-{number}"), "1", ex=100)
    await redis.set(deny_key(GRANT, "one"), "1", ex=100)
    revocations = RevocationList(redis, clock)
    async with following(revocations):
        await until_fresh(revocations)
        assert all(revocations.is_revoked(f"grant-{number}", "token") for number in range(50))
        assert revocations.is_revoked(GRANT, "one")
        assert not revocations.is_revoked(GRANT, "two")
        assert len(revocations) == 51


async def test_without_a_new_proof_it_is_not_fresh_any_more(redis: Redis, clock: Clock) -> None:
    assert BEAT_SECONDS < FRESH_SECONDS
    monotonic = StillClock()
    revocations = RevocationList(redis, clock, monotonic=monotonic)
    async with following(revocations):
        await until_fresh(revocations)
    monotonic.seconds += FRESH_SECONDS - 0.1
    assert revocations.is_fresh()
    monotonic.seconds += 0.2
    assert not revocations.is_fresh()


async def test_beats_of_nobody_or_of_others_prove_nothing(redis: Redis, clock: Clock) -> None:
    revocations = RevocationList(redis, clock)
    async with following(revocations, beating=False), following(RevocationList(redis, clock)):

        async def both_follow() -> bool:
            return bool(await redis.pubsub_numsub(CHANNEL) == [(CHANNEL, 2)])

        await until(both_follow)
        for message in ("beat 1", "beat 0", "beat -1", "beat 99"):
            await redis.publish(CHANNEL, message)
        await revoke(redis, GRANT, deny_key(GRANT))
        await until_revoked(revocations, GRANT)
        assert not revocations.is_fresh()


async def test_freshness_counts_from_when_the_beat_was_sent(
    redis: Redis, redis_url: str, clock: Clock
) -> None:
    monotonic = StillClock()
    async with wire_to(redis_url) as wire, connect(wire.url) as slow:
        revocations = RevocationList(slow, clock, monotonic=monotonic)
        async with following(revocations):
            await until_fresh(revocations)
            age = revocations.age()
            monotonic.seconds += 2
            assert revocations.age() == age + 2


async def test_what_was_revoked_while_the_feed_was_cut_is_known_when_it_is_fresh_again(
    redis: Redis, redis_url: str, clock: Clock
) -> None:
    monotonic = StillClock()
    async with wire_to(redis_url) as wire, connect(wire.url) as cut:
        revocations = RevocationList(cut, clock, monotonic=monotonic)
        async with following(revocations):
            await until_fresh(revocations)
            wire.cut(Fault.REFUSED)
            await revoke(redis, GRANT, deny_key(GRANT))
            monotonic.seconds += FRESH_SECONDS
            assert not revocations.is_fresh()
            assert not revocations.is_revoked(GRANT, "token")
            await wire.repair()
            await until_fresh(revocations)
            assert revocations.is_revoked(GRANT, "token")


async def test_a_silent_feed_is_left_and_followed_anew(redis: Redis, redis_url: str, clock: Clock) -> None:
    monotonic = StillClock()
    async with wire_to(redis_url) as wire, connect(wire.url) as deaf:
        revocations = RevocationList(deaf, clock, monotonic=monotonic)
        async with following(revocations):
            await until_fresh(revocations)
            # The connection stays, and nothing comes through it any more.
            wire.cut(Fault.REPLY_LOST)
            await revoke(redis, GRANT, deny_key(GRANT))
            monotonic.seconds += FRESH_SECONDS
            assert not revocations.is_fresh()
            await wire.repair()
            await until_fresh(revocations)
            assert revocations.is_revoked(GRANT, "token")


async def test_old_entries_are_forgotten(redis: Redis, clock: Clock) -> None:
    monotonic = StillClock()
    revocations = RevocationList(redis, clock, monotonic=monotonic)
    async with following(revocations):
        await until_fresh(revocations)
        await revoke(redis, GRANT, deny_key(GRANT), seconds=10)
        await revoke(redis, OTHER, deny_key(OTHER), seconds=1000)
        await until_revoked(revocations, OTHER)
        # The store's clock cannot be turned: its key must be gone, should the list be read anew.
        await redis.delete(deny_key(GRANT))
        clock.advance(100)
        monotonic.seconds += 100
        await until_fresh(revocations)
        assert not revocations.is_revoked(GRANT, "token")
        assert revocations.is_revoked(OTHER, "token")


async def test_it_starts_before_its_store_and_is_fresh_once_the_store_is_there(
    redis: Redis, redis_url: str, clock: Clock
) -> None:
    await redis.set(deny_key(GRANT), "1", ex=100)
    async with wire_to(redis_url) as wire, connect(wire.url) as late:
        wire.cut(Fault.REFUSED)
        revocations = RevocationList(late, clock)
        async with following(revocations):
            await asyncio.sleep(0)
            assert not revocations.is_fresh()
            await wire.repair()
            await until_fresh(revocations)
            assert revocations.is_revoked(GRANT, "token")
