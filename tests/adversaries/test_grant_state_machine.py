"""People, clients and replicas do anything to grants, in any order; a model says what must happen.

`ADVERSARY_EXAMPLES=500 make test T=tests/adversaries` looks longer than the suite does.
"""

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from dev.flow import OAuthClient, claims_of
from dev.store_invariants import broken_rules
from mcp_server.sandbox.app import create_app as create_sandbox
from shared.clock import Clock
from shared.redis.client import connect
from shared.revocation import deny_key
from tests.adversaries import grant_model
from tests.adversaries.grant_model import Family
from tests.auth_server.deployment import ADA, GRACE, AuthServer, ValTown, running, settings_of
from tests.requirements import requirement

SUITE_EXAMPLES: Final = 30
EXAMPLES: Final = int(os.environ.get("ADVERSARY_EXAMPLES", SUITE_EXAMPLES))
STEPS: Final = 50
CLIENTS: Final = 2
REPLICAS: Final = 2
WITHOUT_EXPIRY: Final = {"vt:{keys}:sealed", "vt:{keys}:state", "vt:meta:key-check", "vt:meta:epoch"}
PEM: Final = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)

Result = TypeVar("Result")
replicas = st.integers(0, REPLICAS - 1)
clients = st.integers(0, CLIENTS - 1)


class World:
    """Two replicas over one store, two public clients, two people."""

    def __init__(
        self, redis: Redis, clock: Clock, servers: list[AuthServer], registered: list[OAuthClient]
    ) -> None:
        self.redis = redis
        self.clock = clock
        self.servers = servers
        self.registered = registered
        self.browsers = [[server.browser(token) for token in (ADA, GRACE)] for server in servers]

    def client(self, number: int, replica: int) -> OAuthClient:
        """Return a client in front of a replica."""
        known = self.registered[number]
        client = self.servers[replica].client(known.redirect_uri)
        client.client_id = known.client_id
        return client


async def open_world(stack: AsyncExitStack, redis_url: str, sandbox: FastAPI) -> World:
    redis = await stack.enter_async_context(connect(redis_url))
    await redis.flushdb()
    clock = Clock()
    configured = settings_of(
        oauth_jwt_private_key=PEM.decode(),
        oauth_refresh_token_ttl=grant_model.IDLE_SECONDS,
        oauth_grant_ttl=grant_model.GRANT_SECONDS,
        oauth_access_token_ttl=grant_model.ACCESS_SECONDS,
    )
    servers = [
        await stack.enter_async_context(running(configured, redis, clock, ValTown(sandbox)))
        for _ in range(REPLICAS)
    ]
    registered = [await servers[0].public(f"https://client-{n}.example.com/cb") for n in range(CLIENTS)]
    return World(redis, clock, servers, registered)


class Grants(RuleBasedStateMachine):
    """One rule for each thing that somebody could do."""

    runner: asyncio.Runner
    world: World

    families = Bundle("families")

    def __init__(self) -> None:
        super().__init__()
        self.known: list[Family] = []
        self.world.clock.offset = 0.0

    def run(self, work: Awaitable[Result]) -> Result:
        async def awaited() -> Result:
            return await work

        return self.runner.run(awaited())

    @initialize(target=families)
    def begin(self) -> Any:
        # Some are in use already: what happens to those is what most rules are about.
        begun = [self.approve(client=number, person=number, replica=number) for number in range(CLIENTS)]
        for family in begun:
            self.redeem(family=family, replica=0)
        return multiple(*begun)

    @property
    def now(self) -> float:
        return self.world.clock.offset

    @rule(target=families, client=clients, person=st.integers(0, 1), replica=replicas)
    def approve(self, client: int, person: int, replica: int) -> Any:
        if len(self.known) >= 6:
            return multiple()
        server = self.world.servers[replica]
        browser = self.world.browsers[replica][person]
        code, pkce = self.run(server.code(self.world.client(client, replica), browser, scope="read write"))
        grant_id = code.removeprefix("vtac_").partition(".")[0]
        family = Family(client, code, pkce.verifier, grant_id, approved_at=self.now)
        self.known.append(family)
        return family

    @rule(family=families, replica=replicas, again=st.sampled_from([False, False, False, True]))
    def redeem(self, family: Family, replica: int, again: bool = False) -> None:
        if family.status == "active" and not again:
            return
        client = self.world.client(family.client, replica)
        answer = self.run(client.redeem(family.code, family.verifier))
        if family.redeem(self.now):
            assert answer.status_code == 200, answer.text
            self._keep(family, answer)
        else:
            refused(answer)

    @rule(
        family=families,
        replica=replicas,
        wrong=st.sampled_from(["client", "verifier", "redirect_uri", "code"]),
    )
    def redeem_with_something_wrong(self, family: Family, replica: int, wrong: str) -> None:
        client = self.world.client(family.client ^ (wrong == "client"), replica)
        verifier = "x" * 43 if wrong == "verifier" else family.verifier
        code = family.code[:-1] + "AB"[family.code[-1] == "A"] if wrong == "code" else family.code
        fields = {"redirect_uri": self.world.registered[family.client].redirect_uri}
        if wrong == "redirect_uri":
            fields["redirect_uri"] = "https://evil.example.com/cb"
        refused(self.run(client.redeem(code, verifier, **fields)))

    @rule(family=families, replica=replicas, narrow=st.booleans())
    def refresh_as_clients_do(self, family: Family, replica: int, narrow: bool) -> None:
        self._refresh(family, replica, back=0, narrow=narrow)

    @rule(family=families, replica=replicas)
    def refresh_again_after_a_lost_answer(self, family: Family, replica: int) -> None:
        self._refresh(family, replica, back=1)

    @rule(family=families, replica=replicas, back=st.integers(2, 3))
    def refresh_with_an_old_token(self, family: Family, replica: int, back: int) -> None:
        self._refresh(family, replica, back=back)

    def _refresh(self, family: Family, replica: int, *, back: int, narrow: bool = False) -> None:
        if len(family.refresh_tokens) <= back:
            return
        presented = family.refresh_tokens[-1 - back]
        fields = {"scope": "vals:read"} if narrow else {}
        answer = self.run(self.world.client(family.client, replica).refresh(presented, **fields))
        match family.refresh(back, self.now):
            case "new":
                assert answer.status_code == 200, answer.text
                assert answer.json()["scope"] == ("vals:read" if narrow else "read write")
                self._keep(family, answer)
            case "same":
                assert answer.status_code == 200, answer.text
                assert answer.json()["refresh_token"] == family.refresh_tokens[-1]
                assert answer.json()["access_token"] == family.access_tokens[-1]
            case _:
                refused(answer)

    @rule(
        family=families, replica=replicas, how=st.sampled_from(["other client", "tampered", "random", "more"])
    )
    def refresh_with_something_wrong(self, family: Family, replica: int, how: str) -> None:
        if not family.refresh_tokens:
            return
        tip = family.refresh_tokens[-1]
        client = self.world.client(family.client ^ (how == "other client"), replica)
        if how == "tampered":
            tip = tip[:-2] + ("AA" if tip[-2:] != "AA" else "BA")
        if how == "random":
            grant_id = base64.urlsafe_b64decode(family.grant_id + "==")
            made_up = grant_id + bytes(4) + os.urandom(48)
            tip = "vtr_" + base64.urlsafe_b64encode(made_up).rstrip(b"=").decode()
        if how == "more":
            answer = self.run(client.refresh(tip, scope="email:send"))
            expected = "invalid_scope" if family.status == "active" else "invalid_grant"
            assert (answer.status_code, answer.json()["error"]) == (400, expected)
        else:
            refused(self.run(client.refresh(tip)))

    @rule(family=families, replica=replicas, back=st.integers(0, 2), own=st.booleans())
    def revoke_refresh_token(self, family: Family, replica: int, back: int, own: bool) -> None:
        if len(family.refresh_tokens) <= back:
            return
        client = self.world.client(family.client ^ (not own), replica)
        answer = self.run(client.revoke(family.refresh_tokens[-1 - back]))
        assert answer.status_code == 200
        if own:
            family.revoke()

    @rule(family=families, replica=replicas)
    def revoke_access_token(self, family: Family, replica: int) -> None:
        if not family.access_tokens:
            return
        token = family.access_tokens[-1]
        answer = self.run(self.world.client(family.client, replica).revoke(token))
        assert answer.status_code == 200
        claims = claims_of(token)
        if claims["exp"] > self.world.clock.now():
            assert self.run(self.world.redis.exists(deny_key(claims["gid"], claims["jti"])))

    @rule(seconds=st.sampled_from([1, 5, 20, 40, 61, 301, 950]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @invariant()
    def the_store_agrees_with_the_model(self) -> None:
        for family in self.known:
            status = self.run(self.world.redis.hget(f"vt:{{{family.grant_id}}}:grant", "status"))
            assert status == family.status, f"{family.grant_id} is {status}, and should be {family.status}"

    @invariant()
    def what_is_revoked_is_told_and_keeps_no_secret(self) -> None:
        for family in self.known:
            denied = self.run(self.world.redis.exists(deny_key(family.grant_id)))
            assert bool(denied) == (family.status == "revoked")
            credential = self.run(self.world.redis.exists(f"vt:{{{family.grant_id}}}:credential"))
            assert bool(credential) == (family.status != "revoked")

    @invariant()
    def nothing_is_kept_for_ever_and_no_grant_grows(self) -> None:
        if not self.known:
            return
        keys = self.run(self._keys_with_expiry())
        assert {key for key, expires in keys.items() if not expires} <= WITHOUT_EXPIRY
        for family in self.known:
            tokens = len({*family.access_tokens})
            assert sum(family.grant_id in key for key in keys) <= 5 + tokens

    def teardown(self) -> None:
        # Once a run: it reads every value, which after each step would take longer than all the rest.
        assert self.run(broken_rules(self.world.redis)) == []

    async def _keys_with_expiry(self) -> dict[str, bool]:
        redis = self.world.redis
        return {key: await redis.pttl(key) != -1 async for key in redis.scan_iter(count=1000)}

    def _keep(self, family: Family, answer: httpx.Response) -> None:
        body = answer.json()
        assert claims_of(body["access_token"])["gid"] == family.grant_id
        assert body["refresh_token"] not in family.refresh_tokens
        family.refresh_tokens.append(body["refresh_token"])
        family.access_tokens.append(body["access_token"])


def refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), answer.text


@requirement("C51", "C52", "C53", "C54", "C56", "C57", "C58", "C62", "O11", "O12", "O13", "O22", "O23", "O24")
@requirement("E94", "E95", "E96", "E97", "E103", "E106", "E107", "E108", "E110", "E111", "E112", "V2")
def test_grants_behave_as_the_model_says_in_any_order(database: Callable[[int], str], tmp_path: Path) -> None:
    sandbox = create_sandbox(tmp_path)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        # One world for all runs: starting replicas would take most of the time.
        opened = runner.run(open_world(stack, database(10), sandbox))
        machine = type("GrantsOfThisRun", (Grants,), {"runner": runner, "world": opened})
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    derandomize=EXAMPLES == SUITE_EXAMPLES,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(stack.aclose())
            sandbox.state.store.close()
