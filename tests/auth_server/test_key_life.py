"""The end of a signing key: published while a token of it can live, then gone (RFC 7517 section 5)."""

from typing import Any

import pytest
from redis.asyncio import Redis

from auth_server.store.redis.keyring import RETIRING_SECONDS
from shared.oauth.access_token import LEEWAY, MAX_LIFETIME
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import AuthServer, new_pem

pytestmark = pytest.mark.anyio

SEALED = "vt:{keys}:sealed"
STATE = "vt:{keys}:state"


@pytest.fixture(scope="session")
def second_pem() -> str:
    return new_pem()


async def published(server: AuthServer) -> list[str]:
    """Return the names of the published keys, the one that signs first."""
    keys: list[dict[str, Any]] = (await server.visitor().get("/.well-known/jwks.json")).json()["keys"]
    return [key["kid"] for key in keys]


async def sealed_in(redis: Redis) -> set[str]:
    """Return the names of the keys whose private half is kept."""
    return {str(kid) for kid in await redis.hkeys(SEALED)}


async def test_a_retired_key_stays_for_the_longest_life_of_a_token_and_then_goes_for_good(
    open_server: OpenServer, redis: Redis, pem: str, second_pem: str
) -> None:
    assert RETIRING_SECONDS >= MAX_LIFETIME + 2 * LEEWAY
    async with open_server(oauth_jwt_private_key=pem) as server:
        (old,) = await published(server)
    async with open_server(oauth_jwt_private_key=second_pem) as server:
        new = (await published(server))[0]
        server.clock.advance(RETIRING_SECONDS - 10)
    async with open_server(oauth_jwt_private_key=second_pem) as server:
        assert await published(server) == [new, old]
        assert await sealed_in(redis) == {old, new}
        server.clock.advance(20)
    async with open_server(oauth_jwt_private_key=second_pem) as server:
        assert await published(server) == [new]
        assert await sealed_in(redis) == {new}
        assert await server.works()
    # A replica that still has it in its settings does not bring it back.
    async with open_server(oauth_jwt_private_key=pem) as server:
        assert await published(server) == [new]
        assert await sealed_in(redis) == {new}
        assert await server.works()


async def test_the_active_key_never_goes(open_server: OpenServer) -> None:
    async with open_server() as server:
        before = await published(server)
        server.clock.advance(10 * RETIRING_SECONDS)
    async with open_server() as server:
        assert await published(server) == before
        assert await server.works()


async def test_keys_in_states_of_another_version_are_left_alone(
    open_server: OpenServer, redis: Redis
) -> None:
    foreign = {
        f"kid-{number}": state for number, state in enumerate(("resting 1", "resting", "", "ACTIVE 1"))
    }
    async with open_server() as server:
        before = await published(server)
    for kid, state in foreign.items():
        await redis.hset(STATE, kid, state)
        await redis.hset(SEALED, kid, "v2.sealed.in.another.way")
    async with open_server() as server:
        assert await published(server) == before
        assert await server.works()
    assert await sealed_in(redis) == {*before, *foreign}
