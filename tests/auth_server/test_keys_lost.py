"""Without the keys of its store a replica answers 503: nobody is told that a good credential is bad."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from redis.asyncio import Redis

from dev.flow import OAuthClient, Pkce
from shared.key_check import KeyCheck
from shared.sealing import Sealer
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import AuthServer
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

OTHER_KEY = b"o" * 32


@pytest.fixture
async def raw(redis_url: str, redis: Redis, anyio_backend: str) -> AsyncIterator[Redis]:
    """Return a client that reads bytes."""
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the keeper look at once, and not only every few seconds."""
    monkeypatch.setattr("auth_server.key_keeper.RELOAD_SECONDS", 0.01)
    monkeypatch.setattr("auth_server.key_keeper.RETRY_SECONDS", 0.01)


async def emptied(redis: Redis) -> None:
    await redis.flushdb()


async def sealed_with_another_key(redis: Redis) -> None:
    await redis.flushdb()
    await KeyCheck(redis, Sealer(OTHER_KEY)).claim()


async def key_check_replaced(redis: Redis) -> None:
    await redis.delete("vt:meta:key-check")
    await KeyCheck(redis, Sealer(OTHER_KEY)).claim()


def elsewhere(client: OAuthClient, server: AuthServer) -> OAuthClient:
    """Return the same client in front of another replica."""
    other = server.client(client.redirect_uri)
    other.client_id, other.client_secret = client.client_id, client.client_secret
    return other


async def is_ready(server: AuthServer, status: int) -> bool:
    return (await server.visitor().get("/readyz")).status_code == status


async def requests_with(client: OAuthClient, tokens: dict[str, str]) -> list[httpx.Response]:
    """Return the answers to requests of which some would be refused for good by a store without records."""
    metadata = {"redirect_uris": [client.redirect_uri]}
    return [
        await client.refresh(tokens["refresh_token"]),
        await client.redeem("vtac_x", Pkce.new().verifier),
        await client.refresh(tokens["refresh_token"], client_secret="wrong"),
        await client.revoke(tokens["refresh_token"]),
        await client.revoke(tokens["access_token"]),
        await client.http.post("/oauth/register", json=metadata),
    ]


@pytest.mark.parametrize("lose", [emptied, sealed_with_another_key, key_check_replaced])
async def test_a_store_that_is_lost_under_a_running_replica_is_503_until_it_is_back(
    open_server: OpenServer,
    redis: Redis,
    raw: Redis,
    watchful: None,
    lose: Callable[[Redis], Awaitable[None]],
) -> None:
    async with open_server() as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        kept = {key: await raw.dump(key) or b"" async for key in raw.scan_iter()}
        await lose(redis)
        await until(lambda: is_ready(server, 503))
        for answer in await requests_with(client, tokens):
            refused(answer, 503, "temporarily_unavailable")
        await redis.flushdb()
        for key, value in kept.items():
            # The replica may have written its own again.
            await raw.restore(key, 0, value, replace=True)
        await until(lambda: is_ready(server, 200))
        assert (await client.refresh(tokens["refresh_token"])).status_code == 200
        assert await server.works()


async def test_a_store_that_was_emptied_a_moment_ago_makes_nobody_unknown(
    open_server: OpenServer, redis: Redis
) -> None:
    async with open_server() as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        # Before the keeper has looked.
        await redis.flushdb()
        await redis.set("vt:meta:heartbeat", 1)
        refused(await client.refresh(tokens["refresh_token"]), 503, "temporarily_unavailable")
        refused(await client.revoke(tokens["refresh_token"]), 503, "temporarily_unavailable")
        page = await client.http.get(client.authorize_url(Pkce.new()))
        assert page.status_code == 503


async def test_a_replica_that_never_had_the_key_of_its_store_judges_nobody(
    open_server: OpenServer, redis: Redis
) -> None:
    other_key = base64.b64encode(OTHER_KEY).decode()
    async with open_server() as server, open_server(oauth_encryption_key=other_key) as stranger:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        before = {key async for key in redis.scan_iter()}
        assert await is_ready(stranger, 503)
        for answer in await requests_with(elsewhere(client, stranger), tokens):
            refused(answer, 503, "temporarily_unavailable")
        assert {key async for key in redis.scan_iter()} == before
        assert await is_ready(server, 200)
        assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_token_of_a_key_that_nobody_has_revokes_nothing(open_server: OpenServer) -> None:
    async with open_server() as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        _, payload, signature = tokens["access_token"].split(".")
        header = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"nobody","typ":"at+jwt"}').rstrip(b"=")
        answer = await client.revoke(f"{header.decode()}.{payload}.{signature}")
        assert answer.status_code == 200
        assert not await server.is_denied(tokens)


async def test_a_revocation_that_finds_another_store_is_not_reported_as_done(
    server: AuthServer, client: OAuthClient, redis: Redis
) -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"of-a-newer-key","typ":"at+jwt"}').rstrip(b"=")
    token = f"{header.decode()}.e30.AA"
    assert (await client.revoke(token)).status_code == 200
    kept = await redis.hgetall("vt:meta:key-check")
    try:
        await key_check_replaced(redis)
        refused(await client.revoke(token), 503, "temporarily_unavailable")
    finally:
        await redis.delete("vt:meta:key-check")
        await redis.hset("vt:meta:key-check", mapping=kept)


async def test_a_signing_key_that_does_not_open_leaves_a_replica_unready_and_alive(
    open_server: OpenServer, redis: Redis
) -> None:
    async with open_server() as first:
        assert await is_ready(first, 200)
        sealed = await redis.hgetall("vt:{keys}:sealed")
        try:
            for kid in sealed:
                await redis.hset("vt:{keys}:sealed", kid, "v1.00000000.AA.AA")
            async with open_server() as second:
                assert await is_ready(second, 503)
                assert (await second.visitor().get("/healthz")).status_code == 200
        finally:
            for kid, value in sealed.items():
                await redis.hset("vt:{keys}:sealed", kid, value)
