"""A replica without the store's OAUTH_ENCRYPTION_KEY could open no credential: it is never ready."""

import pytest
from redis.asyncio import Redis

from shared.key_check import KeyCheck
from shared.sealing import Sealer
from tests.support.resource_server import ENCRYPTION_KEY, OpenServer
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

CHECKS = {"store", "eviction", "encryption key", "signing keys", "revocation list"}


@pytest.mark.parametrize(("key", "right"), [(ENCRYPTION_KEY, True), (b"o" * 32, False)])
async def test_readiness_tells_whether_the_key_is_the_store_s(
    open_server: OpenServer, redis: Redis, key: bytes, right: bool
) -> None:
    await KeyCheck(redis, Sealer(key)).claim()
    async with open_server(ready=False) as server:

        async def everything_else_is_ready() -> bool:
            checks = (await server.http.get("/readyz")).json()["checks"]
            return all(checks[name] == "ok" for name in CHECKS - {"encryption key"})

        await until(everything_else_is_ready)
        response = await server.http.get("/readyz")
        assert set(response.json()["checks"]) == CHECKS
        assert (response.status_code == 200) is right
        assert (response.json()["checks"]["encryption key"] == "ok") is right
        assert (await server.http.get("/healthz")).status_code == 200


async def test_a_store_that_nobody_has_begun_to_use_is_no_fault_of_the_key(open_server: OpenServer) -> None:
    async with open_server() as server:
        assert (await server.http.get("/readyz")).status_code == 200
