"""After a failover an mcp_server reads the revocations anew, though its feed was never cut."""

import pytest
from redis.exceptions import RedisError

from shared.revocation import deny_key
from tests.support.resource_server import Server, assert_invalid_token
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


async def test_what_was_revoked_unheard_is_known_after_a_change_of_the_store(server: Server) -> None:
    token = server.token()
    assert (await server.present(token)).status_code == 200
    # The servers' ids have been seen; from now on another one is a change.
    await until(lambda: _exists(server, "vt:meta:epoch"))
    await server.redis.set(deny_key("grant-1"), "1", ex=100)
    assert (await server.present(token)).status_code == 200
    # A server that followed nobody for a moment has another id of its data (master_replid).
    await server.redis.replicaof("127.0.0.1", "1")
    await server.redis.replicaof("NO", "ONE")

    async def refused() -> bool:
        return (await server.present(token)).status_code == 401

    await until(refused)
    assert_invalid_token(await server.present(token))


async def _exists(server: Server, key: str) -> bool:
    try:
        return bool(await server.redis.exists(key))
    except RedisError:
        return False
