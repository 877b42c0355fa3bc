"""The keyring: one active key for all replicas, old ones published on, nothing readable at rest."""

import asyncio
import base64
import hashlib
import json
from contextlib import AsyncExitStack
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from redis.asyncio import Redis

from auth_server.domain.signing_keys import KeyPair, KeyRecord, Keyring, KeyState, SigningKey, from_pem
from auth_server.key_keeper import KeyKeeper, KeyPolicy
from auth_server.settings import AuthSettings
from auth_server.store.keyring import KeyRole
from auth_server.store.redis.keyring import RedisKeyringStore
from dev.flow import Pkce
from shared.clock import Clock
from shared.key_check import KeyCheck, StoreEmptiedError, WrongEncryptionKeyError
from shared.oauth.errors import TemporarilyUnavailable
from shared.sealing import Sealer
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import RESOURCE, AuthServer, new_pem

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
def second_pem() -> str:
    return new_pem()


async def published(server: AuthServer) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = (await server.visitor().get("/.well-known/jwks.json")).json()["keys"]
    return keys


async def new_token(server: AuthServer) -> str:
    token: str = (await (await server.registered()).tokens(server.browser()))["access_token"]
    return token


async def verifies(server: AuthServer, token: str) -> bool:
    key = jwt.PyJWKSet.from_dict({"keys": await published(server)})[jwt.get_unverified_header(token)["kid"]]
    return bool(jwt.decode(token, key.key, algorithms=["RS256"], audience=RESOURCE))


def kid_of(token: str) -> str:
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


def spelled(pem: str, spelling: str) -> str:
    key = serialization.load_pem_private_key(pem.encode(), None)
    pkcs1 = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    return {
        "PKCS#8": pem,
        "PKCS#1": pkcs1,
        "one line": pem.replace("\n", "\\n"),
        "one line PKCS#1": pkcs1.replace("\n", "\\n"),
        "CRLF": pem.replace("\n", "\r\n"),
        "white space around": f"\n  {pem}\n",
    }[spelling]


@pytest.mark.parametrize(
    "spelling", ["PKCS#8", "PKCS#1", "one line", "one line PKCS#1", "CRLF", "white space around"]
)
async def test_the_private_key_of_the_environment_signs_however_it_is_spelled(
    open_server: OpenServer, pem: str, spelling: str
) -> None:
    async with open_server(oauth_jwt_private_key=spelled(pem, spelling)) as server:
        (key,) = await published(server)
        members = json.dumps({name: key[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
        thumbprint = base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).rstrip(b"=").decode()
        # RFC 7638: the same on every replica, and known without asking the store.
        assert key["kid"] == thumbprint
        token = await new_token(server)
        assert kid_of(token) == thumbprint
        assert await verifies(server, token)


async def test_replicas_that_start_at_once_on_an_empty_store_have_one_key(open_server: OpenServer) -> None:
    async with AsyncExitStack() as stack:
        replicas = await asyncio.gather(
            *(stack.enter_async_context(open_server(oauth_jwt_private_key=None)) for _ in range(3))
        )
        key_sets = [await published(replica) for replica in replicas]
        # Which one is active; another may stand by already.
        assert len({key_set[0]["kid"] for key_set in key_sets}) == 1
        assert await verifies(replicas[1], await new_token(replicas[0]))


async def test_a_generated_key_survives_a_restart(open_server: OpenServer) -> None:
    async with open_server(oauth_jwt_private_key=None) as server:
        token = await new_token(server)
    async with open_server(oauth_jwt_private_key=None) as server:
        assert await verifies(server, token)
        assert kid_of(await new_token(server)) == kid_of(token)


def store_of(redis: Redis, clock: Clock, key: bytes) -> RedisKeyringStore:
    return RedisKeyringStore(redis, Sealer(key), clock, token_seconds=3600)


def keeper_of(redis: Redis, clock: Clock, key: bytes, pem: str | None) -> tuple[KeyKeeper, Keyring]:
    keyring = Keyring()
    policy = KeyPolicy(pem=pem, algorithm="RS256", rotation_seconds=0)
    keeper = KeyKeeper(store_of(redis, clock, key), KeyCheck(redis, Sealer(key)), keyring, clock, policy)
    return keeper, keyring


async def test_a_store_that_was_emptied_under_a_running_replica_is_noticed(
    redis: Redis, clock: Clock, settings: AuthSettings, pem: str
) -> None:
    keeper, _ = keeper_of(redis, clock, settings.encryption_key, pem)
    await keeper.load()
    await keeper.load()
    await redis.flushdb()
    with pytest.raises(StoreEmptiedError):
        await keeper.load()
    # Nothing was begun anew: the operator decides.
    assert await redis.dbsize() == 0


async def test_another_encryption_key_is_noticed_before_anything_is_written(
    redis: Redis, clock: Clock, settings: AuthSettings, pem: str, second_pem: str
) -> None:
    await keeper_of(redis, clock, settings.encryption_key, pem)[0].load()
    other, keyring = keeper_of(redis, clock, b"o" * 32, second_pem)
    with pytest.raises(WrongEncryptionKeyError, match="OAUTH_ENCRYPTION_KEY"):
        await other.load()
    assert not keyring.is_loaded
    assert len(await redis.hgetall("vt:{keys}:state")) == 1


async def test_a_generated_key_has_2048_bits_and_signs_as_well(open_server: OpenServer) -> None:
    async with open_server(oauth_jwt_private_key=None) as server:
        token = await new_token(server)
        keys = jwt.PyJWKSet.from_dict({"keys": await published(server)})
        assert keys[kid_of(token)].key.key_size >= 2048
        assert await verifies(server, token)


async def test_refresh_tokens_of_another_encryption_key_are_worth_nothing(
    open_server: OpenServer, redis: Redis
) -> None:
    async with open_server() as server:
        old = await (await server.registered()).tokens(server.browser())
    await redis.flushdb()
    async with open_server(oauth_encryption_key=base64.b64encode(b"k" * 32).decode()) as server:
        client = await server.registered()
        answer = await client.refresh(old["refresh_token"])
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert await server.works()


async def test_a_replica_that_lost_its_keys_refuses_nobody(open_server: OpenServer, redis: Redis) -> None:
    async with open_server() as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        await redis.flushdb()
        # What the keeper does within seconds of noticing.
        server.app.state.services.keyring.clear()
        answers = [
            await client.refresh(tokens["refresh_token"]),
            await client.revoke(tokens["refresh_token"]),
            await client.http.get("/.well-known/jwks.json"),
            await client.http.get(client.authorize_url(Pkce.new())),
            await client.http.post("/oauth/register", json={"redirect_uris": [client.redirect_uri]}),
        ]
        assert [answer.status_code for answer in answers] == [503] * len(answers)


async def test_a_sealed_key_moved_to_another_name_does_not_open(
    redis: Redis, clock: Clock, settings: AuthSettings, pem: str, second_pem: str
) -> None:
    store = store_of(redis, clock, settings.encryption_key)
    first, second = from_pem(pem), from_pem(second_pem)
    await store.add(first, KeyRole.FIRST)
    await store.add(second, KeyRole.STANDBY)
    moved = await redis.hget("vt:{keys}:sealed", second.kid)
    await redis.hset("vt:{keys}:sealed", first.kid, moved)
    with pytest.raises(Exception, match="not a ciphertext"):
        await store.load()


def test_an_empty_keyring_signs_and_publishes_nothing() -> None:
    for ask in (Keyring().active, Keyring().jwks):
        with pytest.raises(TemporarilyUnavailable):
            ask()


def test_a_key_set_without_an_active_key_is_not_taken(pem: str, second_pem: str) -> None:
    keyring = Keyring()
    active = from_pem(pem)
    keyring.replace([_in_state(active, KeyState.ACTIVE)])
    keyring.replace([])
    keyring.replace([_in_state(from_pem(second_pem), KeyState.RETIRING)])
    assert keyring.active() == active
    assert keyring.jwks() == {"keys": [active.public_jwk()]}


def _in_state(pair: KeyPair, state: KeyState) -> SigningKey:
    return SigningKey(pair, KeyRecord(pair.kid, pair.algorithm, state, published_at=0))
