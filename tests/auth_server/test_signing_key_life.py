"""The life of a signing key: published before and after it signs, rotated by command and age, revoked."""

import asyncio
from collections.abc import Sequence
from typing import Any

import jwt
import pytest
from redis.asyncio import Redis

from auth_server.domain.signing_keys import KeyRecord, KeyState, generate_key
from auth_server.settings import AuthSettings
from auth_server.store.keyring import Addition, KeyRole, RingFullError
from auth_server.store.redis.keyring import RedisKeyringStore
from shared.clock import Clock
from shared.oauth.signatures import MAX_PUBLISHED, PUBLISHED_AFTER_USE, PUBLISHED_BEFORE_USE
from shared.revocation import deny_key
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import RESOURCE, AuthServer, new_pem
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

SEALED = "vt:{keys}:sealed"
RECORDS = "vt:{keys}:state"
GENERATED: dict[str, Any] = {"oauth_jwt_private_key": None, "oauth_signing_algorithm": "ES256"}
"""Settings of a server that makes its own keys, of the kind that is made fast."""


@pytest.fixture(scope="session")
def second_pem() -> str:
    return new_pem()


@pytest.fixture
def ring(redis: Redis, clock: Clock, settings: AuthSettings) -> RedisKeyringStore:
    """Return the ring as an operator's command sees it."""
    return RedisKeyringStore(redis, settings.sealer, clock, token_seconds=settings.oauth_access_token_ttl)


async def published(server: AuthServer) -> list[str]:
    """Return the names of the published keys, the one that signs first."""
    keys: list[dict[str, Any]] = (await server.visitor().get("/.well-known/jwks.json")).json()["keys"]
    return [key["kid"] for key in keys]


async def signs_with(server: AuthServer) -> str:
    """Return the key that signed a new token, after checking it against the published ones."""
    token = (await (await server.registered()).tokens(server.browser()))["access_token"]
    key_set = jwt.PyJWKSet.from_dict((await server.visitor().get("/.well-known/jwks.json")).json())
    kid: str = jwt.get_unverified_header(token)["kid"]
    algorithm = jwt.get_unverified_header(token)["alg"]
    # The test's clock is ahead of the library's.
    options: Any = {"verify_iat": False}
    jwt.decode(token, key_set[kid].key, algorithms=[algorithm], audience=RESOURCE, options=options)
    return kid


async def tick(*servers: AuthServer) -> None:
    """Let each replica do what it does every other second."""
    for server in servers:
        await server.app.state.services.key_keeper.load()
        await server.app.state.services.key_keeper.maintain()
        await server.app.state.services.key_keeper.load()


def in_state(records: Sequence[KeyRecord], state: KeyState) -> list[str]:
    return [record.kid for record in records if record.state is state]


@requirement("H172")
async def test_a_rotation_signs_with_a_key_that_everybody_had_the_time_to_read(
    open_server: OpenServer, ring: RedisKeyringStore
) -> None:
    async with open_server(**GENERATED) as one, open_server(**GENERATED) as two:
        await tick(one, two)
        first, standby = await published(one)
        begun = await ring.rotate(generate_key("ES256"))
        assert begun is not None
        assert begun.kid == standby
        one.clock.advance(PUBLISHED_BEFORE_USE - 5)
        await tick(one, two)
        assert [await signs_with(one), await signs_with(two)] == [first, first]
        one.clock.advance(5)
        await tick(one, two)
        assert [await signs_with(one), await signs_with(two)] == [standby, standby]
        assert first in await published(two)


async def test_a_key_that_stood_by_long_enough_signs_at_once(
    open_server: OpenServer, ring: RedisKeyringStore, clock: Clock
) -> None:
    async with open_server(**GENERATED) as server:
        await tick(server)
        _, standby = await published(server)
        clock.advance(PUBLISHED_BEFORE_USE)
        begun = await ring.rotate(generate_key("ES256"))
        assert begun is not None
        assert begun.due_at <= clock.now()
        await tick(server)
        assert await signs_with(server) == standby


async def test_rotations_queue_up_and_each_key_is_published_long_enough(
    open_server: OpenServer, ring: RedisKeyringStore, clock: Clock
) -> None:
    async with open_server(**GENERATED) as server:
        await tick(server)
        due = []
        for _ in range(4):
            begun = await ring.rotate(generate_key("ES256"))
            assert begun is not None
            due.append(begun)
            clock.advance(5)
        assert len({each.kid for each in due}) == 4
        seen = []
        for _ in range(40):
            clock.advance(2)
            await tick(server)
            seen.append(server.app.state.services.keyring.active().kid)
        assert [kid for number, kid in enumerate(seen) if kid not in seen[:number]][-4:] == [
            each.kid for each in due
        ]


async def test_a_key_stays_published_for_the_life_of_its_last_token_and_then_goes_for_good(
    open_server: OpenServer, ring: RedisKeyringStore, redis: Redis, clock: Clock
) -> None:
    async with open_server(**GENERATED, oauth_access_token_ttl=600) as server:
        await tick(server)
        clock.advance(PUBLISHED_BEFORE_USE)
        old = await signs_with(server)
        await ring.rotate(generate_key("ES256"))
        await tick(server)
        # As long as the longest token: the command was run with an hour, the server's own live ten minutes.
        clock.advance(3600 + PUBLISHED_AFTER_USE - 10)
        await tick(server)
        assert old in await published(server)
        clock.advance(20)
        await tick(server)
        assert old not in await published(server)
        assert not await redis.hexists(SEALED, old)
        assert await server.works()


@requirement("H172")
async def test_a_new_key_of_the_environment_is_published_before_it_signs(
    open_server: OpenServer, second_pem: str
) -> None:
    async with open_server() as server:
        (old,) = await published(server)
    async with open_server(oauth_jwt_private_key=second_pem) as server:
        assert await signs_with(server) == old
        (_, new) = await published(server)
        server.clock.advance(PUBLISHED_BEFORE_USE)
        await server.app.state.services.key_keeper.load()
        assert await signs_with(server) == new
        assert await published(server) == [new, old]
    # A replica that still has the old one does not undo it.
    async with open_server() as server:
        assert await signs_with(server) == new


async def test_a_key_of_the_environment_that_is_gone_does_not_come_back(
    open_server: OpenServer, ring: RedisKeyringStore, second_pem: str, clock: Clock, redis: Redis
) -> None:
    async with open_server() as server:
        (old,) = await published(server)
    async with open_server(oauth_jwt_private_key=second_pem) as server:
        clock.advance(PUBLISHED_BEFORE_USE)
        await server.app.state.services.key_keeper.load()
        clock.advance(3600 + PUBLISHED_AFTER_USE + 10)
        await server.app.state.services.key_keeper.load()
        (new,) = await published(server)
    async with open_server() as server:
        assert await published(server) == [new]
        assert set(await redis.hkeys(SEALED)) == {new}
        assert in_state(await ring.records(), KeyState.GONE) == [old]
        assert await server.works()


async def test_the_active_key_never_goes(open_server: OpenServer, clock: Clock) -> None:
    async with open_server() as server:
        before = await published(server)
        clock.advance(1_000_000)
        await server.app.state.services.key_keeper.load()
        assert await published(server) == before
        assert await server.works()


async def test_a_key_made_here_is_replaced_when_it_is_too_old_and_one_of_the_environment_is_not(
    open_server: OpenServer, clock: Clock
) -> None:
    async with open_server(**GENERATED, oauth_key_rotation_seconds=1000) as server:
        await tick(server)
        first = await signs_with(server)
        clock.advance(990)
        await tick(server)
        assert await signs_with(server) == first
        clock.advance(20)
        await tick(server)
        assert await signs_with(server) != first
    async with open_server(oauth_key_rotation_seconds=1000) as server:
        before = server.app.state.services.keyring.active().kid
        clock.advance(PUBLISHED_BEFORE_USE)
        await tick(server)
        imported = server.app.state.services.keyring.active().kid
        assert imported != before
        clock.advance(5000)
        await tick(server)
        assert server.app.state.services.keyring.active().kid == imported


async def test_replicas_that_notice_an_old_key_at_once_rotate_it_once(
    open_server: OpenServer, ring: RedisKeyringStore, clock: Clock
) -> None:
    settings = {**GENERATED, "oauth_key_rotation_seconds": 1000}
    async with open_server(**settings) as one, open_server(**settings) as two:
        await tick(one, two)
        clock.advance(2000)
        await asyncio.gather(tick(one), tick(two))
        records = await ring.records()
        assert len(in_state(records, KeyState.RETIRING)) == 1
        assert len(in_state(records, KeyState.ACTIVE)) == 1


@requirement("J1")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_tokens_keys_and_metadata_follow_the_algorithm(open_server: OpenServer, algorithm: str) -> None:
    async with open_server(oauth_jwt_private_key=None, oauth_signing_algorithm=algorithm) as server:
        await signs_with(server)
        (key, *_) = (await server.visitor().get("/.well-known/jwks.json")).json()["keys"]
        assert (key["alg"], key["use"]) == (algorithm, "sig")
        assert not {"d", "p", "q"} & set(key)
        metadata = (await server.visitor().get("/.well-known/openid-configuration")).json()
        assert metadata["id_token_signing_alg_values_supported"] == [algorithm]
        # Its own tokens are read as well.
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        assert (await client.revoke(tokens["access_token"])).status_code == 200
        assert await server.is_denied(tokens)


async def test_another_algorithm_is_reached_by_a_rotation(open_server: OpenServer, clock: Clock) -> None:
    async with open_server(**GENERATED) as server:
        await tick(server)
    async with open_server(**{**GENERATED, "oauth_signing_algorithm": "EdDSA"}) as server:
        await tick(server)
        assert server.app.state.services.keyring.active().algorithm == "ES256"
        clock.advance(PUBLISHED_BEFORE_USE)
        await tick(server)
        assert server.app.state.services.keyring.active().algorithm == "EdDSA"
        await signs_with(server)


@requirement("H173")
async def test_a_revoked_key_is_out_at_once_and_another_signs(
    open_server: OpenServer, ring: RedisKeyringStore, redis: Redis
) -> None:
    async with open_server(**GENERATED) as one, open_server(**GENERATED) as two:
        await tick(one, two)
        active, standby = await published(one)
        assert await ring.revoke(active, substitute=generate_key("ES256")) == standby
        assert await redis.ttl(deny_key("keys", active)) > 3600
        await tick(one, two)
        assert active not in await published(one)
        assert [await signs_with(one), await signs_with(two)] == [standby, standby]
        assert not await redis.hexists(SEALED, active)
        # Again: nothing more happens, but every mcp_server is told again.
        await redis.delete(deny_key("keys", active))
        assert await ring.revoke(active, substitute=generate_key("ES256")) is None
        assert await redis.exists(deny_key("keys", active))
        assert await ring.revoke("nobody", substitute=generate_key("ES256")) is None


async def test_a_revoked_key_without_a_successor_is_replaced_in_the_same_step(
    open_server: OpenServer, ring: RedisKeyringStore
) -> None:
    async with open_server() as server:
        (only,) = await published(server)
        substitute = generate_key("ES256")
        assert await ring.revoke(only, substitute=substitute) == substitute.kid
        await server.app.state.services.key_keeper.load()
        assert await published(server) == [substitute.kid]
        assert await server.works()
    # Its PEM is still in the settings.
    async with open_server() as server:
        assert only not in await published(server)
        assert await server.works()


async def test_so_many_keys_and_no_more_are_published(ring: RedisKeyringStore, redis: Redis) -> None:
    await ring.add(generate_key("EdDSA"), KeyRole.FIRST)
    for _ in range(MAX_PUBLISHED - 1):
        assert await ring.rotate(generate_key("EdDSA")) is not None
    with pytest.raises(RingFullError):
        await ring.rotate(generate_key("EdDSA"))
    assert await ring.add(generate_key("ES256"), KeyRole.STANDBY) is Addition.FULL
    assert await redis.hlen(SEALED) == MAX_PUBLISHED
    assert len(in_state(await ring.records(), KeyState.ACTIVE)) == 1


async def test_keys_of_another_version_are_left_alone(open_server: OpenServer, redis: Redis) -> None:
    foreign = {
        f"kid-{number}": record
        for number, record in enumerate(
            ("resting 1", "", "[]", "7", '{"state":"asleep","algorithm":"RS256","published_at":1}')
        )
    }
    async with open_server() as server:
        before = await published(server)
        for kid, record in foreign.items():
            await redis.hset(RECORDS, kid, record)
            await redis.hset(SEALED, kid, "v2.sealed.in.another.way")
        server.clock.advance(10_000)
        await server.app.state.services.key_keeper.load()
        assert await published(server) == before
        assert await server.works()
    assert set(await redis.hkeys(SEALED)) == {*before, *foreign}


async def test_a_revoked_key_that_stood_by_is_followed_by_another(
    open_server: OpenServer, ring: RedisKeyringStore
) -> None:
    async with open_server(**GENERATED) as server:
        await tick(server)
        active, standby = await published(server)
        await ring.revoke(standby, substitute=generate_key("ES256"))
        await tick(server)
        after = await published(server)
        assert after[0] == active
        assert len(after) == 2
        assert standby not in after
