"""A cluster: all works, every script has its keys in one slot, a lost node costs its own slots alone."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from auth_server.domain import generate
from auth_server.models import AuthorizationCode, Grant
from auth_server.store.redis.grant_list import GrantFilter, GrantList
from auth_server.store.redis.grants import GrantLifetimes, RedisGrantStore
from dev.local_replication import Cluster
from shared.background import running as beside
from shared.clock import Clock
from shared.flows.store import grant_key
from shared.redis.client import StoreError, connect
from shared.redis.cluster import as_cluster
from shared.redis.scripts import load_script
from shared.redis.shards import slot_of
from shared.revocation import RevocationList, deny_key
from tests.auth_server.answers import refused
from tests.failover.conftest import OpenReplica
from tests.requirements import requirement
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
LIFETIMES = GrantLifetimes(access_token=3600, refresh_token=2_592_000, grant=31_536_000, refresh_grace=60)
WHAT_MUST_HOLD = (
    "tests/store/test_store_contract.py",
    "tests/auth_server/test_rfc9700_refresh_rotation.py",
    "tests/auth_server/test_rfc7009_revocation.py",
)
SECONDS = 10.0


@pytest.fixture
async def redis(cluster: Cluster) -> AsyncIterator[Redis]:
    async with connect(cluster.url) as client:
        await client.flushdb()
        yield client


@requirement("F1")
def test_the_store_contract_and_the_token_endpoint_hold_on_a_cluster(cluster: Cluster) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *WHAT_MUST_HOLD],
        env={**os.environ, "TEST_REDIS_URL": cluster.url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-5000:]


async def test_a_whole_flow_and_every_list_work(
    cluster: Cluster, redis: Redis, open_replica: OpenReplica, clock: Clock
) -> None:
    async with open_replica(cluster.url) as server:
        client = await server.registered()
        granted = [await client.tokens(server.browser()) for _ in range(12)]
        newer = [(await client.refresh(each["refresh_token"])).json() for each in granted]
        listed, total = await GrantList(redis, clock).newest(GrantFilter(username="ada"), limit=100)
        assert total == len(listed) == 12
        assert len({slot_of(grant_key(each.grant_id)) for each in listed}) > 3
        assert (await client.revoke(newer[0]["refresh_token"])).status_code == 200
        assert await server.is_denied(newer[0])
        ready = await server.visitor().get("/readyz")
        assert ready.json()["checks"] == {"store": "ok", "eviction": "ok", "keys": "ok"}


async def test_revocations_on_every_node_are_heard_and_read(
    cluster: Cluster, redis: Redis, clock: Clock
) -> None:
    before = [generate.grant_id() for _ in range(30)]
    after = [generate.grant_id() for _ in range(30)]
    for grant_id in before:
        await redis.set(deny_key(grant_id), "1", ex=100)
    async with connect(cluster.url) as own:
        revocations = RevocationList(own, clock)
        async with beside({"feed": revocations.run, "beats": revocations.send_beats}, namespace="test"):

            async def fresh() -> bool:
                return revocations.is_fresh()

            await until(fresh)
            assert all(revocations.is_revoked(grant_id, "token") for grant_id in before)
            store = RedisGrantStore(redis, clock, LIFETIMES)
            for grant_id in after:
                await store.revoke_access_token(grant_id, "token", expires_at=int(clock.now()) + 100)

            async def heard() -> bool:
                return all(revocations.is_revoked(grant_id, "token") for grant_id in after)

            await until(heard)


async def _grant(store: RedisGrantStore, wanted: range) -> str:
    """Make a grant in one of these slots."""
    while slot_of(grant_key(grant_id := generate.grant_id())) not in wanted:
        pass
    grant = Grant(grant_id, "client_a", "user_a", "ada", ("read",), "https://mcp.test/mcp")
    code = AuthorizationCode(generate.secret(""), "client_a", "https://client.example.com/c", "challenge")
    await store.create(grant, code, "sealed")
    return grant_id


def _spare_node(cluster: Cluster) -> int:
    """Return a node without any of the keys that the whole deployment needs."""
    needed = {slot_of(key) for key in ("vt:deny:{keys}", "vt:meta:key-check", "vt:meta:epoch")}
    return next(number for number, slots in cluster.slots.items() if not needed & set(slots))


async def test_a_lost_node_costs_the_grants_in_its_slots_and_no_others(
    fragile_cluster: Cluster, open_replica: OpenReplica
) -> None:
    lost = _spare_node(fragile_cluster)
    slots = fragile_cluster.slots[lost]
    async with open_replica(fragile_cluster.url) as server:
        client = await server.registered()
        while slot_of(f"vt:client:{client.client_id}") in slots:
            client = await server.registered()
        on_node: dict[bool, list[str]] = {True: [], False: []}
        while not all(len(each) >= 2 for each in on_node.values()):
            refresh_token = (await client.tokens(server.browser()))["refresh_token"]
            grant_id = server.app.state.services.issuer.read_refresh_token(refresh_token).grant_id
            on_node[slot_of(grant_key(grant_id)) in slots].append(refresh_token)
        fragile_cluster.kill(lost)
        for refresh_token in on_node[True] * 3:
            refused(await client.refresh(refresh_token), 503, "temporarily_unavailable")
        for refresh_token in on_node[False]:

            async def works(token: str = refresh_token) -> bool:
                answer = await client.refresh(token)
                assert answer.status_code in (200, 503), answer.text
                return answer.status_code == 200

            await until(works, seconds=SECONDS)


async def test_a_lost_node_leaves_the_list_of_revocations_fresh_for_all_other_grants(
    fragile_cluster: Cluster, clock: Clock
) -> None:
    lost = _spare_node(fragile_cluster)
    alive = next(number for number in fragile_cluster.slots if number != lost)
    here, gone = (_any_grant(fragile_cluster.slots[number]) for number in (alive, lost))
    async with connect(fragile_cluster.url) as redis:
        revocations = RevocationList(redis, clock)
        async with beside({"feed": revocations.run, "beats": revocations.send_beats}, namespace="test"):

            async def fresh() -> bool:
                return revocations.is_fresh()

            await until(fresh)
            fragile_cluster.kill(lost)

            async def told_apart() -> bool:
                return revocations.is_fresh(here) and not revocations.is_fresh(gone)

            await until(told_apart, seconds=SECONDS)
            assert not revocations.is_fresh()


def _any_grant(slots: range) -> str:
    while slot_of(deny_key(grant_id := generate.grant_id())) not in slots:
        pass
    return grant_id


async def test_a_slot_that_moves_is_followed_by_commands_and_by_scripts_that_wait(
    cluster: Cluster, redis: Redis, clock: Clock
) -> None:
    store = RedisGrantStore(redis, clock, LIFETIMES)
    take = load_script(redis, "shared.redis.lua", "take_tokens")
    key = "vt:limit:moving:"
    slot = slot_of(key)
    source = next(number for number, slots in cluster.slots.items() if slot in slots)
    target = (source + 1) % len(cluster.servers)
    assert await take(keys=[key], args=[0, 1000, 50, 1]) == 0
    with cluster.client(source) as old, cluster.client(target) as new:
        ids = [node.execute_command("CLUSTER MYID").decode() for node in (old, new)]
        new.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
        old.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])
        # ASK: the key is gone from the old node, which still owns the slot. Of the connections to the new
        # one, only that on which it was asked for takes the command.
        old.delete(key)
        there = next(name for name in map(str, range(10_000)) if slot_of(name) in cluster.slots[target])
        await asyncio.gather(*(redis.get(there) for _ in range(8)))
        for _ in range(5):
            assert await take.settled(keys=[key], args=[0, 1000, 50, 1], replicas=1) == (0, False)
            assert await take(keys=[key], args=[0, 1000, 50, 1]) == 0
            assert await redis.get(key)
        for node in (new, old):
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[1])
        # MOVED: this client still believes that the old node has it.
        assert await take.settled(keys=[key], args=[0, 1000, 50, 1], replicas=1) == (0, False)
        assert await redis.get(key)
        assert await store.find(generate.grant_id()) is None
        new.delete(key)
        old.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[1])
        new.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[0])
        for node in (old, new):
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[0])


async def test_a_script_that_touches_two_slots_is_refused(redis: Redis) -> None:
    store = as_cluster(redis)
    assert store is not None
    script = load_script(redis, "auth_server.store.redis.lua", "revoke_access_token", prelude="transitions")
    with pytest.raises(RedisError):
        await script(keys=["vt:deny:{a}", "vt:deny:{b}"], args=["a", 1, "vt:feed"])


async def test_a_slot_that_no_node_serves_is_a_fault_of_the_store(fragile_cluster: Cluster) -> None:
    slot = slot_of("nowhere")
    for number in fragile_cluster.slots:
        with fragile_cluster.client(number) as node:
            node.execute_command("CLUSTER DELSLOTS", slot)
    async with connect(fragile_cluster.url) as redis:
        take = load_script(redis, "shared.redis.lua", "take_tokens")
        with pytest.raises(StoreError):
            await redis.get("nowhere")
        with pytest.raises(StoreError):
            await take.settled(keys=["nowhere"], args=[0, 1000, 5, 1], replicas=1)
        async with redis.pipeline(transaction=False) as pipeline:
            pipeline.get("nowhere")
            with pytest.raises(StoreError):
                await pipeline.execute()


async def test_after_a_primary_died_its_replica_goes_on_without_a_restart(
    replicated_cluster: Cluster, open_replica: OpenReplica, clock: Clock
) -> None:
    async with (
        open_replica(replicated_cluster.url, redis_wait_replicas=1) as server,
        connect(replicated_cluster.url) as own,
    ):
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        grant_id = server.app.state.services.issuer.read_refresh_token(tokens["refresh_token"]).grant_id
        slot = slot_of(grant_key(grant_id))
        primary = next(number for number, slots in replicated_cluster.slots.items() if slot in slots)
        revocations = RevocationList(own, clock)
        async with beside({"feed": revocations.run, "beats": revocations.send_beats}, namespace="test"):

            async def fresh() -> bool:
                return revocations.is_fresh()

            await until(fresh)
            replicated_cluster.kill(primary)
            answers = []

            async def works() -> bool:
                answers.append(await client.refresh(tokens["refresh_token"]))
                return answers[-1].status_code == 200

            await until(works, seconds=2 * SECONDS)
            for answer in answers[:-1]:
                refused(answer, 503, "temporarily_unavailable")
            # The promoted one has no replica left that could confirm it.
            refused(await client.revoke(answers[-1].json()["refresh_token"]), 503, "temporarily_unavailable")

            async def heard() -> bool:
                return revocations.is_fresh() and revocations.is_revoked(grant_id, "token")

            await until(heard, seconds=2 * SECONDS)

            async def change_noted() -> bool:
                return await server.redis.hget("vt:meta:epoch", "changed_at") != "0"

            await until(change_noted, seconds=2 * SECONDS)
