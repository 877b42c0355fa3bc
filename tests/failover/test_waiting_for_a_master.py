"""Between two masters requests wait; none is answered for somebody who has gone meanwhile.

The sentinels are told by hand when there is another master, so that a test decides what happens before.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from dev.flow import OAuthClient, claims_of
from dev.local_replication import Replication
from shared.clock import Clock
from shared.redis.client import connect, is_saturated
from shared.redis.sentinel import MasterClient
from tests.auth_server.deployment import AuthServer
from tests.failover.by_hand import demote_master, lose_master, port_of, promote, replace_master
from tests.failover.conftest import OpenReplica
from tests.requirements import requirement
from tests.support.resource_server import VAL_TOWN_TOKEN, Outside, server_opener
from tests.support.tokens import SigningKey
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

MAX_ROUNDS = 300
"""Of a few refreshes each; after some ten, both replicas have noticed another master."""


@pytest.fixture
async def server(replication: Replication, open_replica: OpenReplica) -> AsyncIterator[AuthServer]:
    async with open_replica(replication.url) as opened:
        yield opened


def master_client(redis: object) -> MasterClient:
    assert isinstance(redis, MasterClient)
    return redis


async def until_waiting(redis: object, count: int) -> None:
    patience = master_client(redis).patience

    async def waiting() -> bool:
        return patience.waiting >= count

    await until(waiting)


@requirement("F1")
async def test_every_kind_of_request_that_comes_between_two_masters_is_served(
    replication: Replication, server: AuthServer
) -> None:
    client = await server.registered()
    kept, ended = [await client.tokens(server.browser()) for _ in range(2)]
    code, pkce = await server.code(client)
    await lose_master(replication)
    new = server.client("https://new.example.com/callback")
    requests = [
        asyncio.create_task(request)
        for request in (
            client.refresh(kept["refresh_token"]),
            client.redeem(code, pkce.verifier),
            client.revoke(ended["refresh_token"]),
            client.introspect(kept["access_token"]),
        )
    ]
    registering = asyncio.create_task(new.register())
    await until_waiting(server.redis, 5)
    await promote(replication)
    assert [(await request).status_code for request in requests] == [200, 200, 200, 200]
    await registering
    assert await server.is_denied(ended)
    assert not await server.is_denied(kept)
    assert (await client.refresh((await requests[0]).json()["refresh_token"])).status_code == 200


@requirement("F1")
async def test_as_many_may_wait_as_there_are_no_connections_for(
    replication: Replication, server: AuthServer
) -> None:
    client = await server.registered()
    every = [await client.tokens(server.browser()) for _ in range(3)]
    await lose_master(replication)
    asked = [asyncio.create_task(client.introspect(every[n % 3]["access_token"])) for n in range(90)]
    await until_waiting(server.redis, 90)
    assert not is_saturated(server.redis)
    await promote(replication)
    assert {(await answer).status_code for answer in asked} == {200}


async def test_a_replica_whose_memory_of_credentials_is_empty_serves_calls_between_two_masters(
    replication: Replication, clock: Clock
) -> None:
    key = SigningKey.generate("key-1")
    outside = Outside(keys=[key.public_jwk()])
    async with connect(replication.url) as redis, server_opener(redis, clock, key, outside)() as mcp:
        await mcp.link()
        await lose_master(replication)
        called = asyncio.create_task(mcp.client().call("get_me"))
        await until_waiting(redis, 1)
        await promote(replication)
        assert (await called).status_code == 200
        (request,) = outside.val_town_requests
        assert request.headers["authorization"] == f"Bearer {VAL_TOWN_TOKEN}"


class Hanging:
    """A token request whose client hangs up when it is told to."""

    def __init__(self, client: OAuthClient, refresh_token: str) -> None:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": client.client_id,
        }
        self.body = urlencode(form).encode()
        self.gone = asyncio.Event()
        self.status = 0
        self._is_read = False

    async def receive(self) -> dict[str, Any]:
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]

    @property
    def scope(self) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "https",
            "path": "/oauth/token",
            "raw_path": b"/oauth/token",
            "query_string": b"",
            "root_path": "",
            "headers": [
                (b"host", b"auth.test"),
                (b"content-type", b"application/x-www-form-urlencoded"),
                (b"content-length", str(len(self.body)).encode()),
            ],
            "client": ("192.0.2.1", 1),
            "server": ("auth.test", 443),
        }


async def generation(server: AuthServer, tokens: dict[str, Any]) -> str | None:
    grant_id = claims_of(tokens["access_token"])["gid"]
    return await server.redis.hget(f"vt:{{{grant_id}}}:grant", "generation")


@pytest.mark.parametrize("replicas", [0, 1])
async def test_for_a_client_that_hung_up_while_its_refresh_waited_nothing_is_exchanged(
    replication: Replication, open_replica: OpenReplica, replicas: int
) -> None:
    async with open_replica(replication.url, redis_wait_replicas=replicas) as server:
        client = await server.public()
        leaves, stays = [await client.tokens(server.browser()) for _ in range(2)]
        leaving, staying = [Hanging(client, each["refresh_token"]) for each in (leaves, stays)]
        # What is read before the exchange is answered; the exchange is refused by a master that is none.
        await demote_master(replication)
        answers = [
            asyncio.create_task(server.app(each.scope, each.receive, each.send))
            for each in (leaving, staying)
        ]
        await until_waiting(server.redis, 2)
        leaving.gone.set()
        await promote(replication)
        await asyncio.gather(*answers)
        assert (leaving.status, staying.status) == (503, 200)
        assert await generation(server, leaves) == "1"
        assert await generation(server, stays) == "2"
        assert (await client.refresh(leaves["refresh_token"])).status_code == 200


@requirement("F120")
async def test_a_master_that_was_replaced_and_does_not_know_it_is_left_and_nobody_is_taken_for_a_thief(
    replication: Replication, open_replica: OpenReplica
) -> None:
    async with open_replica(replication.url) as one, open_replica(replication.url) as other:
        client = await one.public()
        token = (await client.tokens(one.browser()))["refresh_token"]
        elsewhere = OAuthClient(other.visitor(), other.settings.oauth_issuer_url, client.redirect_uri)
        elsewhere.client_id = client.client_id
        for server in (one, other):
            await until(lambda server=server: has_noted_epoch(server))  # type: ignore[misc]
        await replace_master(replication)
        port = port_of(replication.servers[1].url)
        answers = []
        for _ in range(MAX_ROUNDS):
            if all([await is_at(server, port) for server in (one, other)]):
                break
            # What one of them writes at the old master, the other one at the new does not find.
            for asked in (client, elsewhere, elsewhere, client):
                answers.append(await asked.refresh(token))
                token = answers[-1].json().get("refresh_token", token)
        assert all([await is_at(server, port) for server in (one, other)])
        answers += [await asked.refresh(token) for asked in (client, elsewhere)]
        assert {answer.status_code for answer in answers} == {200}
        with replication.client(0) as old:
            assert await one.redis.set("only at the new one", "1")
            assert not old.exists("only at the new one")


async def has_noted_epoch(server: AuthServer) -> bool:
    return bool(await server.redis.exists("vt:meta:epoch"))


async def is_at(server: AuthServer, port: int) -> bool:
    return int((await server.redis.info("server"))["tcp_port"]) == port
