"""A signing key is revoked when things are bad already: the store is full, the key is in a thief's hands."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from auth_server.domain.signing_keys import KeyRecord, Keyring, KeyState, SigningKey, generate_key
from auth_server.settings import AuthSettings
from auth_server.store.redis.keyring import RedisKeyringStore
from shared.clock import Clock
from shared.oauth.access_token import LEEWAY, MAX_LIFETIME
from shared.oauth.errors import TemporarilyUnavailable
from shared.oauth.signatures import JWKS_STALE_SECONDS, SIGNS_UNSEEN_SECONDS
from shared.revocation import deny_key
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

GENERATED: dict[str, Any] = {"oauth_jwt_private_key": None, "oauth_signing_algorithm": "ES256"}


@pytest.fixture
def ring(redis: Redis, clock: Clock, settings: AuthSettings) -> RedisKeyringStore:
    """Return the ring as an operator's command sees it."""
    return RedisKeyringStore(redis, settings.sealer, clock, token_seconds=600)


@pytest.fixture
async def full(redis: Redis) -> AsyncIterator[Redis]:
    """Return the store; it has no room from `fill` on, and has it again after the test."""
    yield redis
    await redis.config_set("maxmemory", 0)


async def published(server: AuthServer) -> list[str]:
    """Return the names of the published keys, the one that signs first."""
    keys: list[dict[str, Any]] = (await server.visitor().get("/.well-known/jwks.json")).json()["keys"]
    return [key["kid"] for key in keys]


@requirement("H173")
async def test_a_key_is_revoked_and_every_replica_leaves_it_though_the_store_is_full(
    open_server: OpenServer, ring: RedisKeyringStore, full: Redis
) -> None:
    async with open_server(**GENERATED) as server:
        keeper = server.app.state.services.key_keeper
        await keeper.maintain()
        await keeper.load()
        active, standby = await published(server)
        await full.config_set("maxmemory", 1)
        assert await ring.revoke(active, substitute=generate_key("ES256")) == standby
        await keeper.load()
        assert await published(server) == [standby]
        assert server.app.state.services.keyring.active().kid == standby
        assert await full.exists(deny_key("keys", active))


@requirement("H173")
async def test_a_revoked_key_is_refused_as_long_as_anybody_may_still_have_its_public_half(
    open_server: OpenServer, ring: RedisKeyringStore, redis: Redis
) -> None:
    async with open_server(**GENERATED) as server:
        (active, *_) = await published(server)
        await ring.revoke(active, substitute=generate_key("ES256"))
        # Its thief makes tokens of any age that a resource server takes, also when the issuer is down.
        life = await redis.ttl(deny_key("keys", active))
        assert life >= max(MAX_LIFETIME, JWKS_STALE_SECONDS) + LEEWAY


async def test_a_replica_that_may_not_sign_answers_503_and_uses_up_nothing(
    open_server: OpenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_server() as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        with monkeypatch.context() as unseen:
            unseen.setattr("auth_server.domain.signing_keys.SIGNS_UNSEEN_SECONDS", -1)
            refused(await client.refresh(tokens["refresh_token"]), 503, "temporarily_unavailable")
            assert (await server.visitor().get("/.well-known/jwks.json")).status_code == 200
        assert (await client.refresh(tokens["refresh_token"])).status_code == 200


def test_a_replica_that_has_not_seen_the_ring_for_long_publishes_on_and_signs_nothing() -> None:
    seconds = 1000.0
    keyring = Keyring(monotonic=lambda: seconds)
    pair = generate_key("ES256")
    keys = [SigningKey(pair, KeyRecord(pair.kid, pair.algorithm, KeyState.ACTIVE, published_at=0.0))]
    keyring.replace(keys)
    seconds += SIGNS_UNSEEN_SECONDS
    assert keyring.signing_key() is pair
    seconds += 1
    with pytest.raises(TemporarilyUnavailable):
        keyring.signing_key()
    assert keyring.jwks() == {"keys": [pair.public_jwk()]}
    keyring.replace(keys)
    assert keyring.signing_key() is pair
