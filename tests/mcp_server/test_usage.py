"""What a grant is used for is counted and kept with the grant, and never stands in the way of a call."""

import json

import pytest
from redis.asyncio import Redis

from mcp_server.auth.principal import Principal
from mcp_server.protocol.reach import Use
from mcp_server.usage_recorder import MAX_GRANTS, UsageRecorder
from shared.clock import Clock
from shared.redis.client import connect
from shared.revocation import deny_key
from shared.usage import DAYS, Calls, UsageStore, usage_key
from tests.requirements import requirement
from tests.support.mcp_client import McpClient
from tests.support.resource_server import OpenServer, Server, assert_invalid_token, first_refusal

pytestmark = pytest.mark.anyio

DAY = 86_400.0


@pytest.fixture
async def grant(redis: Redis) -> str:
    """Keep an active grant, as far as usage looks at one."""
    await redis.hset("vt:{grant-1}:grant", mapping={"status": "active"})
    await redis.expire("vt:{grant-1}:grant", 5000)
    return "grant-1"


async def test_tools_resources_and_prompts_are_counted(
    open_server: OpenServer, redis: Redis, clock: Clock, grant: str
) -> None:
    async with open_server() as server:
        client = server.client(scope="read")
        await client.call("whoami")
        await client.call("list_my_vals")
        # Counted under the name it was called by.
        await client.call("list-my-vals")
        await client.modern("resources/read", {"uri": "valtown://me"})
        await client.modern("tools/list")
        await client.call("no_such_tool")
        assert (await client.call("delete_val", val="a/b")).status_code == 403
    # What was not brought away yet is when the service stops.
    (usage,) = await UsageStore(redis, clock).of([grant])
    assert usage.tools == {"whoami": 1, "list_my_vals": 1, "list-my-vals": 1}
    assert usage.scopes == {"vals:read": 2, "user:read": 1}
    assert usage.days == (0,) * (DAYS - 1) + (4,)
    assert usage.first is not None
    assert usage.last is not None
    assert 0 < await redis.ttl(usage_key(grant)) <= 5000


async def test_nothing_of_a_call_but_its_name_is_kept(
    open_server: OpenServer, redis: Redis, grant: str
) -> None:
    async with open_server() as server:
        await server.client(scope="read").call("read_file", val="canary/canary", path="canary")
    kept = json.dumps(await redis.hgetall(usage_key(grant)))
    assert "read_file" in kept
    assert "canary" not in kept


@pytest.mark.parametrize("status", ["revoked", "pending", ""])
async def test_nothing_is_kept_of_a_grant_that_is_over(
    open_server: OpenServer, redis: Redis, grant: str, status: str
) -> None:
    if status:
        await redis.hset("vt:{grant-1}:grant", "status", status)
    else:
        await redis.delete("vt:{grant-1}:grant")
    async with open_server() as server:
        await server.client(scope="read").call("whoami")
    assert not await redis.exists(usage_key(grant))


def one_call(tool: str = "get_me") -> Calls:
    calls = Calls()
    calls.add(tool=tool, scope="user:read")
    return calls


async def test_days_move_on_and_old_ones_go(redis: Redis, clock: Clock, grant: str) -> None:
    store = UsageStore(redis, clock)
    for _ in range(3):
        await store.add(grant, one_call())
        clock.advance(DAY)
    await store.add(grant, one_call("whoami"))
    (usage,) = await store.of([grant])
    assert usage.days[-4:] == (1, 1, 1, 1)
    assert usage.tools == {"get_me": 3, "whoami": 1}
    assert usage.first is not None
    assert usage.last is not None
    assert usage.last - usage.first in range(3 * int(DAY) - 2, 3 * int(DAY) + 3)
    clock.advance((DAYS - 2) * DAY)
    await store.add(grant, one_call())
    assert len([name for name in await redis.hkeys(usage_key(grant)) if name.startswith("day:")]) == 3
    (usage,) = await store.of([grant])
    assert usage.days == (1, 1, *(0,) * (DAYS - 3), 1)
    assert await store.of([]) == []
    (nothing,) = await store.of(["grant-2"])
    assert (nothing.first, nothing.last, sum(nothing.days), nothing.tools) == (None, None, 0, {})


class _Offered:
    name = "get_me"
    scope = "user:read"


def of_grant(grant_id: str | None) -> Principal:
    return Principal("user-ada", "client-1", grant_id, ("read",), frozenset({"user:read"}), 0, "token-1")


USE = Use("tools/call", _Offered())


async def test_counts_wait_while_the_store_is_away_and_their_number_is_bounded(
    redis: Redis, clock: Clock, grant: str
) -> None:
    async with connect("redis://127.0.0.1:1/0") as nowhere:
        away = UsageStore(nowhere, clock)
        recorder = UsageRecorder(away)
        recorder.count(of_grant(grant), [USE, USE])
        recorder.count(of_grant(None), [USE])
        await recorder.flush()
        recorder.count(of_grant(grant), [USE])
        recorder._store = UsageStore(redis, clock)
        await recorder.flush()
        await recorder.flush()
    (usage,) = await UsageStore(redis, clock).of([grant])
    assert usage.tools == {"get_me": 3}
    for number in range(MAX_GRANTS + 10):
        recorder.count(of_grant(f"grant-{number}"), [USE])
    assert len(recorder._waiting) == MAX_GRANTS


@requirement("F114")
async def test_tokens_of_a_version_of_the_grant_that_is_over_are_refused(
    server: Server, redis: Redis
) -> None:
    old, new = server.token(), server.token(gver=1, jti="token-2")
    assert (await server.present(old)).status_code == (await server.present(new)).status_code == 200
    await redis.set(deny_key("grant-1", "v0"), "1", ex=100)
    await redis.publish("vt:feed", "deny grant-1:v0 100")
    assert_invalid_token(await first_refusal(server, old))
    assert (await server.present(new)).status_code == 200
    assert (await server.present(server.token(gid="grant-2"))).status_code == 200


@pytest.mark.parametrize("version", [0, -1, "1", True, 1.5, None, [1]])
async def test_a_version_that_is_none_is_no_token(server: Server, version: object) -> None:
    assert_invalid_token(await server.present(server.token(gver=version)))
    assert (await McpClient(server.http, server.token(gver=7)).modern("tools/list")).status_code == 200
