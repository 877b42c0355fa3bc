"""Many people at once, one in five calls cut off by its client: nobody ever gets another's answer.

50 people make 50,000 calls by `make isolation`; in a run of all tests they make fewer. Client, server, store
and Val Town talk over real sockets, so that a connection that a cancelled call leaves dirty would show.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from shared.clock import Clock
from shared.credentials import CredentialOwner, credential_key, seal_credential
from shared.sealing import Sealer
from tests.requirements import requirement
from tests.support.echoing_val_town import PAGES, EchoingValTown
from tests.support.events import messages_of
from tests.support.mcp_client import MODERN, modern_meta
from tests.support.resource_server import ENCRYPTION_KEY, Outside, Server, server_opener
from tests.support.served import Connection, connected, request, serving
from tests.support.tokens import SigningKey

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

PEOPLE = 50
CALLS = int(os.environ.get("ISOLATION_CALLS", "60"))
CUT_OFF = 0.2
TOOLS = ("get_me", "get_me", "list_my_vals", "whoami")
CLOCK_EVERY = 200
"""Calls of one person after which the clock goes on, so that credentials are read from the store again."""


@dataclass
class Person:
    """One of many: everything of theirs has their name in it."""

    name: str
    server: Server
    chance: random.Random
    counts: Counter[str] = field(default_factory=Counter)

    async def link(self, redis: Redis) -> None:
        """Store the person's credential."""
        owner = CredentialOwner(grant_id=f"grant-{self.name}", subject=self.name, client_id="client-1")
        sealed = seal_credential(Sealer(ENCRYPTION_KEY), owner, f"vtwn_{self.name}")
        await redis.set(credential_key(owner.grant_id), sealed)

    async def make_calls(self, port: int, number: int) -> None:
        """Make calls one after another, on one connection as long as it lasts."""
        left = number
        while left:
            async with connected(port) as connection:
                while left:
                    left -= 1
                    if not await self._call(connection, self.chance.choice(TOOLS), id_=left):
                        break

    async def _call(self, connection: Connection, tool: str, *, id_: int) -> bool:
        """Make one call; False when the connection was cut off in the middle of it."""
        await connection.send(self._request(tool, id_))
        if self.chance.random() < CUT_OFF:
            await asyncio.sleep(self.chance.uniform(0, 0.01))
            self.counts["cut off"] += 1
            return False
        answer_head = await connection.read_until(b"\r\n\r\n")
        assert answer_head.startswith(b"HTTP/1.1 200"), answer_head
        if b"text/event-stream" in answer_head:
            messages = messages_of(await connection.read_until(b"0\r\n\r\n"))
            assert {message["params"]["progressToken"] for message in messages[:-1]} == {self.name}
            self.counts["streams"] += 1
            self._check(messages[-1], tool, id_)
        else:
            length = int(answer_head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            (answer,) = messages_of(b"data: " + await connection.read_exactly(length))
            self._check(answer, tool, id_)
        if self.counts["answers"] % CLOCK_EVERY == 0:
            self.server.clock.advance(61)
        return True

    def _check(self, answer: dict[str, Any], tool: str, id_: int) -> None:
        self.counts["answers"] += 1
        assert answer["id"] == id_
        found = answer["result"]["structuredContent"]
        if tool == "list_my_vals":
            assert [val["owner"] for val in found["vals"]] == [self.name] * PAGES
        else:
            assert found["account" if tool == "whoami" else "id"] == self.name

    def _request(self, tool: str, id_: int) -> bytes:
        token = self.server.token(
            sub=self.name, gid=f"grant-{self.name}", jti=f"token-{self.name}", scope="read"
        )
        arguments = {"name": self.name} if tool == "list_my_vals" else {}
        params = {
            "name": tool,
            "arguments": arguments,
            "_meta": {**modern_meta(), "progressToken": self.name},
        }
        return request(
            {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": params},
            authorization=f"Bearer {token}",
            accept="application/json, text/event-stream",
            mcp_protocol_version=MODERN,
            mcp_method="tools/call",
            mcp_name=tool,
        )


class ReachingOut(Outside):
    """Surroundings whose Val Town is reached over a socket."""

    def client(self) -> httpx.AsyncClient:
        """Return what the server reaches its surroundings with."""
        return httpx.AsyncClient(mounts={"https://auth.test": httpx.MockTransport(self.answer)})


@pytest.fixture
async def val_town(anyio_backend: str) -> AsyncIterator[tuple[EchoingValTown, str]]:
    echoing = EchoingValTown(seed=7)
    async with echoing.listening() as address:
        yield echoing, address


@requirement("I189", "I200")
async def test_no_answer_or_credential_ever_crosses_people(
    val_town: tuple[EchoingValTown, str], redis: Redis, clock: Clock
) -> None:
    echoing, address = val_town
    key = SigningKey.generate("key-1")
    open_server = server_opener(redis, clock, key, ReachingOut(keys=[key.public_jwk()]))
    async with open_server(val_town_api_url=address) as server, serving(server.app) as port:
        people = [Person(f"person{number}", server, random.Random(number)) for number in range(PEOPLE)]
        for person in people:
            await person.link(redis)
        async with asyncio.TaskGroup() as everybody:
            for person in people:
                everybody.create_task(person.make_calls(port, CALLS))
    total: Counter[str] = Counter()
    for person in people:
        total += person.counts
    assert total["answers"] + total["cut off"] == PEOPLE * CALLS
    assert total["cut off"] > PEOPLE * CALLS * CUT_OFF / 2
    assert total["streams"]
    assert set(echoing.calls) == {person.name for person in people}
    # Else nothing was proved: the calls of different people did overlap.
    assert echoing.most_at_once > PEOPLE / 4
