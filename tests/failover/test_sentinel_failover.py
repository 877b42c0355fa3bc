"""A master that dies or is demoted: requests wait for the next one, and all goes on without a restart."""

import asyncio
import time
from contextlib import AsyncExitStack

import httpx
import pytest

from dev.flow import OAuthClient
from dev.local_replication import SERVICE, Replication
from shared.background import running as beside
from shared.clock import Clock
from shared.redis.client import StoreError, connect
from shared.redis.scripts import load_script
from shared.redis.sentinel import MasterPool
from shared.revocation import RevocationList, deny_key
from tests.auth_server.answers import refused
from tests.auth_server.deployment import AuthServer
from tests.failover.conftest import OpenReplica
from tests.requirements import requirement
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

FAILOVER_SECONDS = 10.0
"""The sentinels take about 2 s; on a busy machine more."""


async def refreshed(client: OAuthClient, refresh_token: str, answers: list[httpx.Response]) -> bool:
    answer = await client.refresh(refresh_token)
    answers.append(answer)
    return answer.status_code == 200


@requirement("F1", "F120")
async def test_after_a_failover_everything_works_again_without_a_restart(
    replication: Replication, open_replica: OpenReplica, clock: Clock
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_replica(replication.url))
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        followed = RevocationList(await stack.enter_async_context(connect(replication.url)), clock)
        tasks = {"feed": followed.run, "beats": followed.send_beats}
        await stack.enter_async_context(beside(tasks, namespace="test"))

        async def fresh() -> bool:
            return followed.is_fresh()

        await until(fresh)
        stale: list[float] = []
        watching = asyncio.create_task(_note_staleness(followed, stale))
        answers: list[httpx.Response] = []
        replication.kill()
        began = time.monotonic()
        await until(lambda: refreshed(client, tokens["refresh_token"], answers), seconds=FAILOVER_SECONDS)
        for answer in answers[:-1]:
            refused(answer, 503, "temporarily_unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        assert await server.works()
        newer = answers[-1].json()
        assert (await client.revoke(newer["refresh_token"])).status_code == 200
        grant_id = await _only_denied(server)

        async def heard() -> bool:
            return followed.is_fresh() and followed.is_revoked(grant_id, "token")

        await until(heard, seconds=FAILOVER_SECONDS)
        assert time.monotonic() - began < 2 * FAILOVER_SECONDS
        watching.cancel()
        # Who lost no proof of freshness for as long as that went on serving.
        assert not stale


async def _note_staleness(followed: RevocationList, stale: list[float]) -> None:
    while True:
        if not followed.is_fresh():
            stale.append(followed.age())
        await asyncio.sleep(0.05)


async def _only_denied(server: AuthServer) -> str:
    (key,) = [key async for key in server.redis.scan_iter(match=deny_key("*"))]
    return str(key).partition("{")[2].partition("}")[0]


async def _swap_roles(replication: Replication) -> None:
    """Make the replica the master and the master its replica, as an operator would; connections stay open."""
    ports = [int(server.url.rpartition(":")[2].partition("/")[0]) for server in replication.servers]
    for sentinel in _sentinel_urls(replication):
        async with connect(sentinel) as asked:
            await asked.execute_command("SENTINEL", "REMOVE", SERVICE)
    with replication.client(1) as replica, replication.client(0) as master:
        replica.replicaof("NO", "ONE")
        master.replicaof("127.0.0.1", ports[1])
    for sentinel in _sentinel_urls(replication):
        async with connect(sentinel) as asked:
            await asked.execute_command("SENTINEL", "MONITOR", SERVICE, "127.0.0.1", ports[1], 2)


def _sentinel_urls(replication: Replication) -> list[str]:
    hosts = replication.url.removeprefix("redis+sentinel://").partition("/")[0].split(",")
    return [f"redis://{host}/0" for host in hosts]


async def test_a_demoted_master_that_is_still_connected_is_left_within_the_same_command(
    replication: Replication,
) -> None:
    async with connect(replication.url) as redis:
        await asyncio.gather(*(redis.ping() for _ in range(8)))
        take = load_script(redis, "shared.redis.lua", "take_tokens")
        bucket = "vt:limit:test:"
        assert await take(keys=[bucket], args=[0, 1000, 5, 1]) == 0
        await _swap_roles(replication)
        assert await take(keys=[bucket], args=[0, 1000, 5, 1]) == 0
        assert await redis.set("written", "1")
        # No idle connection leads to the old one any more either.
        assert await asyncio.gather(*(redis.incr("counted") for _ in range(8)))
        role = await redis.role()
        assert role[0] in ("master", b"master")


async def test_a_script_that_waits_for_replicas_finds_the_new_master_too(replication: Replication) -> None:
    async with connect(replication.url) as redis:
        take = load_script(redis, "shared.redis.lua", "take_tokens")
        await take.settled(keys=["vt:limit:test:"], args=[0, 1000, 5, 1], replicas=1)
        await _swap_roles(replication)
        result, _ = await take.settled(keys=["vt:limit:test:"], args=[0, 1000, 5, 1], replicas=1)
        assert result == 0


async def test_without_any_sentinel_the_answer_is_503_in_time(
    replication: Replication, open_replica: OpenReplica
) -> None:
    async with open_replica(replication.url) as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        for sentinel in replication.sentinels:
            sentinel.process.kill()
            sentinel.process.wait()
        # The master is known and answers: nobody needs a sentinel for that.
        newer = await client.refresh(tokens["refresh_token"])
        assert newer.status_code == 200
        pool = server.redis.connection_pool
        assert isinstance(pool, MasterPool)
        # Nor after something went wrong there.
        pool.master.doubt()
        assert (await client.refresh(newer.json()["refresh_token"])).status_code == 200
        replication.kill()
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*(client.refresh("vtr_x") for _ in range(40)))
        assert {answer.status_code for answer in answers} == {503}


async def test_passwords_of_the_store_and_of_the_sentinels_are_used(replication: Replication) -> None:
    for sentinel in _sentinel_urls(replication):
        async with connect(sentinel) as asked:
            await asked.execute_command("SENTINEL", "SET", SERVICE, "auth-pass", "store secret")
            await asked.execute_command("ACL", "SETUSER", "default", ">sentinel secret")
    for number in (1, 0):
        with replication.client(number) as server:
            server.config_set("masterauth", "store secret")
            server.config_set("requirepass", "store secret")
    hosts = replication.url.removeprefix("redis+sentinel://")
    right = f"redis+sentinel://:store%20secret@{hosts}?sentinel_password=sentinel%20secret"
    async with connect(right) as redis:
        assert await redis.ping()
    for wrong in (right.replace("store%20secret", "x"), right.replace("sentinel%20secret", "x")):
        async with connect(wrong) as redis:
            with pytest.raises(StoreError):
                await redis.ping()
