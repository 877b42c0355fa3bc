"""Requests given up half-way, over a slow store: no answer reaches somebody else, nobody is stranded.

A client that hangs up does not stop its request, because uvicorn lets it run to the end. These tests are
harder than that: they cancel the request's task wherever it is, also between a command and its reply
(CVE-2023-28858 was about the connection that went back to the pool then).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from dev.flow import OAuthClient, Pkce, claims_of
from shared.clock import Clock
from shared.redis.client import connect
from tests.auth_server.answers import refused
from tests.auth_server.deployment import ADA, GRACE, AuthServer, ValTown, running, settings_of
from tests.auth_server.faulty_wire import Wire, wire_to
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

FAMILIES: Final = 30
ROUNDS: Final = 34
"""With all families: 1,020 refreshes that are given up."""

CODES: Final = 60
AT_ONCE: Final = 20
REPLY_SECONDS: Final = 0.002
LONGEST_SECONDS: Final = 0.03
"""Longer than a request takes, so that some are given up before they begin and some are not at all."""

_TRIES: Final = 5


@dataclass
class Family:
    """A grant, whose it is, and the refresh token that its client has."""

    client: OAuthClient
    subject: str
    grant_id: str
    refresh_token: str

    def owns(self, tokens: Mapping[str, Any]) -> bool:
        claims = claims_of(tokens["access_token"])
        found = (claims["sub"], claims["client_id"], claims["gid"])
        return found == (self.subject, self.client.client_id, self.grant_id)


@pytest.fixture
async def wire(redis_url: str, anyio_backend: str) -> AsyncIterator[Wire]:
    async with wire_to(redis_url) as opened:
        yield opened


@pytest.fixture
async def server(redis: Redis, wire: Wire, sandbox: FastAPI, pem: str) -> AsyncIterator[AuthServer]:
    async with connect(wire.url) as behind_the_wire:
        configured = settings_of(oauth_jwt_private_key=pem)
        async with running(configured, behind_the_wire, Clock(), ValTown(sandbox)) as opened:
            yield opened


async def give_up(request: Coroutine[Any, Any, httpx.Response], after: float) -> None:
    """Start a request, and cancel it so many seconds later wherever it is."""
    task = asyncio.create_task(request)
    await asyncio.wait([task], timeout=after)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def served(ask: Callable[[], Coroutine[Any, Any, httpx.Response]]) -> httpx.Response:
    """Return the answer, asked again after 503, as a client does: a busy computer may be that slow."""
    for _ in range(_TRIES - 1):
        if (answer := await ask()).status_code != 503:
            return answer
    return await ask()


async def new_family(server: AuthServer, number: int) -> Family:
    client = await server.public(f"https://client-{number}.example.com/callback")
    tokens = await client.tokens(server.browser((ADA, GRACE)[number % 2]))
    claims = claims_of(tokens["access_token"])
    return Family(client, claims["sub"], claims["gid"], tokens["refresh_token"])


@requirement("F1", "I189", "E96")
async def test_after_refreshes_that_were_given_up_everybody_gets_their_own_successor(
    server: AuthServer, wire: Wire
) -> None:
    moments = random.Random(1)
    families = [await new_family(server, number) for number in range(FAMILIES)]
    wire.delay = REPLY_SECONDS

    async def refresh(family: Family) -> None:
        presented = family.refresh_token
        await give_up(family.client.refresh(presented), moments.uniform(0, LONGEST_SECONDS))
        answers = [await served(lambda: family.client.refresh(presented)) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
        assert answers[0].json() == answers[1].json()
        assert family.owns(answers[0].json())
        family.refresh_token = answers[0].json()["refresh_token"]

    for _ in range(ROUNDS):
        await asyncio.gather(*(refresh(family) for family in families))


@requirement("F1", "I189", "C54")
async def test_after_redemptions_that_were_given_up_a_code_is_unused_or_used_and_nobody_elses(
    server: AuthServer, wire: Wire
) -> None:
    moments = random.Random(2)
    clients = [await server.public(f"https://client-{n}.example.com/callback") for n in range(CODES)]
    codes = [await server.code(client) for client in clients]
    wire.delay = REPLY_SECONDS

    async def redeem(client: OAuthClient, code: str, pkce: Pkce) -> None:
        await give_up(client.redeem(code, pkce.verifier), moments.uniform(0, LONGEST_SECONDS))
        answer = await served(lambda: client.redeem(code, pkce.verifier))
        if answer.status_code == 200:
            assert claims_of(answer.json()["access_token"])["client_id"] == client.client_id
            assert (await client.refresh(answer.json()["refresh_token"])).status_code == 200
        else:
            refused(answer, 400, "invalid_grant")

    waiting = [redeem(client, code, pkce) for client, (code, pkce) in zip(clients, codes, strict=True)]
    for first in range(0, CODES, AT_ONCE):
        await asyncio.gather(*waiting[first : first + AT_ONCE])
