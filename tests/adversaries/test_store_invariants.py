"""After all that people and clients do the store is as documented, and the check would notice if not."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from dev.store_invariants import broken_rules
from shared.clock import Clock
from tests.auth_server.deployment import AuthServer, ValTown, running, settings_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server(redis: Redis, sandbox: FastAPI, pem: str) -> AsyncIterator[AuthServer]:
    async with running(settings_of(oauth_jwt_private_key=pem), redis, Clock(), ValTown(sandbox)) as opened:
        yield opened


async def test_whatever_happened_the_store_is_in_order(server: AuthServer, redis: Redis) -> None:
    for client in (await server.registered(), await server.public()):
        await server.code(client)
        tokens = await client.tokens(server.browser())
        refreshed = (await client.refresh(tokens["refresh_token"])).json()
        await client.revoke(refreshed["access_token"])
        await server.browser().open(client.authorize_url((await server.code(client))[1]))
        revoked = await client.tokens(server.browser())
        await client.revoke(revoked["refresh_token"])
        await client.redeem("vtac_made-up", "x" * 43)
    assert await broken_rules(redis) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vt:unheard-of", "1"),
        ("other:name", "1"),
        ("vt:{abc}:successor", "vtr_plain"),
        ("vt:{abc}:credential", "vtwn_sandbox_ada"),
    ],
)
async def test_what_does_not_belong_there_is_noticed(redis: Redis, key: str, value: str) -> None:
    await redis.set(key, value, ex=60)
    assert len(await broken_rules(redis)) == 1


async def test_what_never_expires_is_noticed_unless_it_is_listed(redis: Redis) -> None:
    await redis.set("vt:deny:{abc}", "1")
    await redis.hset("vt:client:abc", "client_id", "abc")
    assert len(await broken_rules(redis)) == 2
    await redis.hset("vt:client:abc", "registered_by", "operator")
    await redis.expire("vt:deny:{abc}", 60)
    assert await broken_rules(redis) == []
