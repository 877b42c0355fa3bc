"""A grant's Val Town credential that was damaged, moved or sealed with another key, as callers see it."""

import base64

import httpx
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from shared.credentials import CredentialOwner, credential_key, seal_credential
from shared.key_check import KeyCheck
from shared.sealing import Sealer, key_id, sealing_key_id
from tests.mcp_server.test_owner_mode import ADA, GRACE, TwoAccounts
from tests.requirements import requirement
from tests.support.damage import DAMAGES, Damage
from tests.support.resource_server import ENCRYPTION_KEY, OpenServer, Server
from tests.support.tokens import SigningKey
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

NEW = b"n" * 32
KEY = credential_key("grant-1")
KEYS = {"oauth_encryption_key": base64.b64encode(NEW).decode()}
BOTH = {**KEYS, "oauth_decryption_keys": base64.b64encode(ENCRYPTION_KEY).decode()}


@pytest.fixture
def outside(signing_key: SigningKey) -> TwoAccounts:
    return TwoAccounts(keys=[signing_key.public_jwk()])


async def asks_to_reconnect(server: Server, **claims: str) -> None:
    """Check that a call ends as an error of the tool that the person can mend, not as a fault or a 401."""
    response = await server.client(**claims).call("get_me")
    assert response.status_code == 200
    result = response.json()["result"]
    assert result["isError"] is True
    assert "reconnect" in result["content"][0]["text"]


async def works(server: Server, **claims: str) -> bool:
    response: httpx.Response = await server.client(**claims).call("get_me")
    name: str = response.json()["result"]["structuredContent"]["username"]
    return name == "ada"


@requirement("L229")
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_credential_is_told_to_the_operator_and_the_person_can_mend_it(
    open_server: OpenServer, redis: Redis, damage: Damage
) -> None:
    await KeyCheck(redis, Sealer(ENCRYPTION_KEY)).claim()
    async with open_server() as server:
        await server.link(ADA)
        await server.link(ADA, grant_id="grant-2")
        await redis.set(KEY, damage(str(await redis.get(KEY))))
        with capture_logs() as lines:
            await asks_to_reconnect(server)
        told = [line for line in lines if line["event"] == "credential does not open"]
        assert [(line["log_level"], line["grant_id"]) for line in told] == [("error", "grant-1")]
        assert await works(server, gid="grant-2")


@requirement("L230")
async def test_credentials_of_two_grants_that_were_swapped_open_for_neither(
    open_server: OpenServer, redis: Redis
) -> None:
    async with open_server() as server:
        await server.link(ADA)
        await server.link(GRACE, grant_id="grant-2")
        one, two = await redis.get(KEY), await redis.get(credential_key("grant-2"))
        await redis.set(KEY, str(two))
        await redis.set(credential_key("grant-2"), str(one))
        await asks_to_reconnect(server)
        await asks_to_reconnect(server, gid="grant-2")
        await redis.set(KEY, str(one))
        assert await works(server)


@requirement("L233")
async def test_a_credential_of_the_old_key_works_and_is_sealed_again(
    open_server: OpenServer, redis: Redis
) -> None:
    await KeyCheck(redis, Sealer(ENCRYPTION_KEY)).claim()
    async with open_server(**BOTH) as server:
        await server.link(ADA)
        await redis.expire(KEY, 1000)
        assert await works(server)
        assert sealing_key_id(str(await redis.get(KEY))) == key_id(NEW)
        assert 0 < await redis.ttl(KEY) <= 1000


@requirement("L233")
async def test_a_replica_without_the_key_of_a_credential_says_503_and_not_that_it_is_gone(
    open_server: OpenServer, redis: Redis
) -> None:
    await KeyCheck(redis, Sealer(ENCRYPTION_KEY, NEW)).claim()
    await KeyCheck(redis, Sealer(NEW, ENCRYPTION_KEY)).claim()
    async with open_server(ready=False) as server:
        owner = CredentialOwner("grant-1", "user-ada", "client-1")
        await redis.set(KEY, seal_credential(Sealer(NEW), owner, ADA))
        await server.link(ADA, grant_id="grant-2")

        async def everything_else_is_ready() -> bool:
            return (await server.present(server.token())).status_code == 200

        await until(everything_else_is_ready)
        response = await server.client().call("get_me")
        assert response.status_code == 503
        assert response.json()["error"]["data"]["error"] == "temporarily_unavailable"
        assert int(response.headers["retry-after"]) >= 1
        assert "www-authenticate" not in response.headers
        # What it can open goes on.
        assert await works(server, gid="grant-2")


@requirement("L233")
async def test_a_replica_that_lacks_a_key_in_use_is_not_ready_and_names_the_key(
    open_server: OpenServer, redis: Redis
) -> None:
    await KeyCheck(redis, Sealer(ENCRYPTION_KEY)).claim()
    async with open_server(ready=False, **KEYS) as server:
        with capture_logs() as lines:
            assert (await server.http.get("/readyz")).json()["checks"]["encryption key"] == "failing"
        told = [line for line in lines if line["event"] == "encryption key missing"]
        assert [line["missing"] for line in told] == [(key_id(ENCRYPTION_KEY),)]


async def test_with_the_old_key_to_open_with_it_is_ready(open_server: OpenServer, redis: Redis) -> None:
    await KeyCheck(redis, Sealer(ENCRYPTION_KEY)).claim()
    async with open_server(**BOTH) as server:
        assert (await server.http.get("/readyz")).json()["checks"]["encryption key"] == "ok"
        await KeyCheck(redis, Sealer(ENCRYPTION_KEY, NEW)).verify()


async def test_a_grant_without_a_credential_asks_to_reconnect(open_server: OpenServer) -> None:
    async with open_server() as server:
        await asks_to_reconnect(server)
        await server.link(ADA)
        assert await works(server)
