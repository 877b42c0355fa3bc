"""A store that has lost its data has lost the revocations with them: nobody may be let in by it."""

import pytest

from tests.support.resource_server import OpenServer
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


async def test_nobody_is_let_in_while_the_store_is_empty(open_server: OpenServer) -> None:
    async with open_server() as server:
        await server.link()
        token = server.token()
        assert (await server.present(token)).status_code == 200
        await server.redis.flushdb()

        async def closed() -> bool:
            # No 401 in between: the client is to come back with the same token.
            status = (await server.present(token)).status_code
            assert status in (200, 503)
            return status == 503

        await until(closed, seconds=15)
        answer = await server.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["revocation list"] == "failing"


async def test_a_replica_that_starts_with_an_empty_store_is_not_ready(open_server: OpenServer) -> None:
    async with open_server() as server:
        await server.redis.flushdb()
        async with open_server(ready=False, claimed=False) as other:
            answer = await other.http.get("/readyz")
            assert answer.json()["checks"]["revocation list"] == "failing"
            assert (await other.present(other.token())).status_code == 503
