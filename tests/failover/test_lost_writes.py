"""Writes that were acknowledged and that the promoted replica never had (asynchronous replication)."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth_server.store.redis.grants import HEALING_SECONDS
from dev.flow import OAuthClient, claims_of
from dev.local_replication import Replication
from shared.clock import Clock
from shared.revocation import CHANNEL, deny_key
from tests.auth_server.answers import refused
from tests.auth_server.deployment import AuthServer
from tests.failover.by_hand import forget_master, promote
from tests.failover.conftest import OpenReplica
from tests.requirements import requirement
from tests.support.operator import Operator
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

FAILOVER_SECONDS = 12.0


@pytest.fixture
async def server(replication: Replication, open_replica: OpenReplica) -> AsyncIterator[AuthServer]:
    async with open_replica(replication.url) as opened:
        yield opened


def sever(replication: Replication) -> None:
    """Let the replica follow nobody any more: what is written from now on it will never have."""
    with replication.client(1) as replica:
        replica.replicaof("127.0.0.1", "1")


async def synchronised(replication: Replication) -> None:
    """Return when the replica has everything that was written until now."""

    async def confirmed() -> bool:
        with replication.client(0) as master, replication.client(1) as replica:
            written = master.info("replication")["master_repl_offset"]
            return bool(replica.info("replication")["slave_repl_offset"] >= written)

    await until(confirmed)


async def fail_over(replication: Replication, server: AuthServer) -> None:
    """Kill the master; return when the server has found the promoted replica and noticed the change."""
    before = await server.redis.hget("vt:meta:epoch", "identity")
    replication.kill()

    async def noticed() -> bool:
        try:
            identity = await server.redis.hget("vt:meta:epoch", "identity")
        except Exception:
            return False
        return bool(identity != before)

    await until(noticed, seconds=FAILOVER_SECONDS)


async def lose_rotations(
    replication: Replication, server: AuthServer, count: int
) -> tuple[OAuthClient, list[str]]:
    """Return a client and its refresh tokens, the last `count` of which the store has lost."""
    client = await server.registered()
    tokens = [(await client.tokens(server.browser()))["refresh_token"]]
    await epoch_noted(server)
    await synchronised(replication)
    sever(replication)
    for _ in range(count):
        tokens.append((await client.refresh(tokens[-1])).json()["refresh_token"])
    await fail_over(replication, server)
    return client, tokens


def jwt_header(token: str) -> dict[str, Any]:
    encoded = token.partition(".")[0]
    return dict(json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))))


async def epoch_noted(server: AuthServer) -> None:
    async def noted() -> bool:
        return bool(await server.redis.exists("vt:meta:epoch"))

    await until(noted)


@requirement("E99")
async def test_a_client_whose_rotation_was_lost_goes_on_and_a_stolen_older_token_is_noticed(
    replication: Replication, server: AuthServer, clock: Clock
) -> None:
    client, tokens = await lose_rotations(replication, server, 1)
    # An hour later: that is when clients refresh, because their access tokens live so long.
    clock.advance(3600)
    healed = await client.refresh(tokens[-1])
    assert healed.status_code == 200, healed.text
    # The same again, its answer lost: as ever.
    assert (await client.refresh(tokens[-1])).json() == healed.json()
    newest = (await client.refresh(healed.json()["refresh_token"])).json()["refresh_token"]
    refused(await client.refresh(tokens[0]), 400, "invalid_grant")
    refused(await client.refresh(newest), 400, "invalid_grant")
    assert await server.is_denied(healed.json())


async def test_a_thief_with_an_older_token_who_comes_first_is_noticed_when_the_client_comes(
    replication: Replication, server: AuthServer
) -> None:
    client, tokens = await lose_rotations(replication, server, 3)
    # Of the lost ones the thief has an older one than the client: the store cannot know.
    stolen = await client.refresh(tokens[1])
    assert stolen.status_code == 200
    refused(await client.refresh(tokens[3]), 400, "invalid_grant")
    refused(await client.refresh(stolen.json()["refresh_token"]), 400, "invalid_grant")
    assert await server.is_denied(stolen.json())


async def test_long_after_the_failover_a_token_that_is_ahead_is_refused_and_ends_nothing(
    replication: Replication, server: AuthServer, clock: Clock
) -> None:
    client, tokens = await lose_rotations(replication, server, 1)
    clock.advance(3600 + HEALING_SECONDS)
    refused(await client.refresh(tokens[1]), 400, "invalid_grant")
    assert (await client.refresh(tokens[0])).status_code == 200


async def test_a_replica_that_started_after_the_failover_heals_too(
    replication: Replication, server: AuthServer, open_replica: OpenReplica
) -> None:
    client, tokens = await lose_rotations(replication, server, 1)
    async with open_replica(replication.url) as later:
        same = OAuthClient(later.visitor(), later.settings.oauth_issuer_url, client.redirect_uri)
        same.client_id, same.client_secret = client.client_id, client.client_secret
        assert (await same.refresh(tokens[-1])).status_code == 200


@requirement("F120")
async def test_revocations_that_were_lost_are_made_again(
    replication: Replication, server: AuthServer
) -> None:
    client = await server.registered()
    by_client = await client.tokens(server.browser())
    one_token = await client.tokens(server.browser())
    reused = await client.tokens(server.browser())
    newer = (await client.refresh(reused["refresh_token"])).json()
    await epoch_noted(server)
    await synchronised(replication)
    sever(replication)
    assert (await client.revoke(by_client["refresh_token"])).status_code == 200
    assert (await client.revoke(one_token["access_token"])).status_code == 200
    server.clock.advance(61)
    refused(await client.refresh(reused["refresh_token"]), 400, "invalid_grant")
    # This grant is lost as a whole, and its access token would still be good.
    unknown = await client.tokens(server.browser())
    assert (await client.revoke(unknown["refresh_token"])).status_code == 200
    await fail_over(replication, server)

    async def denied_again() -> bool:
        return all([await server.is_denied(each) for each in (by_client, one_token, newer, unknown)])

    await until(denied_again, seconds=FAILOVER_SECONDS)
    for tokens in (by_client, newer, unknown):
        refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    assert (await client.refresh(one_token["refresh_token"])).status_code == 200


@requirement("F120")
async def test_what_an_operator_revoked_is_revoked_again_by_a_replica_that_heard_of_it(
    replication: Replication, server: AuthServer, tmp_path: Path
) -> None:
    client = await server.registered()
    of_grant, of_key = [await client.tokens(server.browser()) for _ in range(2)]
    kid = jwt_header(of_key["access_token"])["kid"]
    await epoch_noted(server)
    await until(lambda: _listens(server))
    await synchronised(replication)
    sever(replication)
    grants, keys = [Operator(group, replication.url, tmp_path) for group in ("grants", "keys")]
    grant_id = claims_of(of_grant["access_token"])["gid"]
    assert (await grants.json("revoke", grant_id))["revoked"] == [grant_id]
    assert (await keys.json("revoke", kid))["revoked"] == kid
    # By hand: sentinels promote no replica that follows nobody for as long as commands take.
    await forget_master(replication)
    replication.kill()
    await promote(replication)

    async def denied_again() -> bool:
        return await server.is_denied(of_grant) and bool(await server.redis.exists(deny_key("keys", kid)))

    await until(denied_again, seconds=FAILOVER_SECONDS)
    refused(await client.refresh(of_grant["refresh_token"]), 400, "invalid_grant")
    states = {key["kid"]: key["state"] for key in await keys.json("list")}
    assert states[kid] == "gone"
    # What nobody revoked is as it was.
    assert (await client.refresh(of_key["refresh_token"])).status_code == 200


async def _listens(server: AuthServer) -> bool:
    ((_, listeners),) = await server.redis.pubsub_numsub(CHANNEL)
    return bool(listeners)


async def test_a_grant_revoked_after_a_failover_is_denied_as_long_as_its_lost_access_token_may_live(
    replication: Replication, server: AuthServer
) -> None:
    client = await server.registered()
    tokens = await client.tokens(server.browser())
    await epoch_noted(server)
    await synchronised(replication)
    sever(replication)
    server.clock.advance(3000)
    lost = (await client.refresh(tokens["refresh_token"])).json()
    await fail_over(replication, server)
    assert (await client.revoke(lost["refresh_token"])).status_code == 200
    grant_id = claims_of(lost["access_token"])["gid"]
    left = await server.redis.ttl(f"vt:deny:{{{grant_id}}}")
    assert left >= claims_of(lost["access_token"])["exp"] - server.clock.now()


# --- WAIT ---------------------------------------------------------------------------------------------------


def unconfirmed(answer: httpx.Response) -> None:
    refused(answer, 503, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.fixture
async def waiting(replication: Replication, open_replica: OpenReplica) -> AsyncIterator[AuthServer]:
    async with open_replica(replication.url, redis_wait_replicas=1) as opened:
        yield opened


async def test_with_a_replica_that_confirms_everything_works(waiting: AuthServer) -> None:
    client = await waiting.registered()
    tokens = await client.tokens(waiting.browser())
    newer = (await client.refresh(tokens["refresh_token"])).json()
    assert (await client.revoke(newer["refresh_token"])).status_code == 200
    assert await waiting.is_denied(newer)


@requirement("V3", "F120")
async def test_a_revocation_that_no_replica_confirms_is_not_reported_as_done_however_often(
    replication: Replication, waiting: AuthServer
) -> None:
    client = await waiting.registered()
    tokens = await client.tokens(waiting.browser())
    other = await client.tokens(waiting.browser())
    sever(replication)
    for _ in range(2):
        unconfirmed(await client.revoke(tokens["refresh_token"]))
        unconfirmed(await client.revoke(other["access_token"]))
    port = replication.servers[0].url.rpartition(":")[2].partition("/")[0]
    with replication.client(1) as replica:
        replica.replicaof("127.0.0.1", port)

    async def confirmed(token: str) -> bool:
        return (await client.revoke(token)).status_code == 200

    await until(lambda: confirmed(tokens["refresh_token"]), seconds=FAILOVER_SECONDS)
    await until(lambda: confirmed(other["access_token"]), seconds=FAILOVER_SECONDS)
    await fail_over(replication, waiting)
    assert await waiting.is_denied(tokens)
    assert await waiting.is_denied(other)


@requirement("O12")
async def test_a_code_whose_redemption_no_replica_confirms_gives_no_tokens(
    replication: Replication, waiting: AuthServer
) -> None:
    client = await waiting.registered()
    code, pkce = await waiting.code(client)
    await synchronised(replication)
    sever(replication)
    unconfirmed(await client.redeem(code, pkce.verifier))
    refused(await client.redeem(code, pkce.verifier), 400, "invalid_grant")
    grants = [key async for key in waiting.redis.scan_iter(match="vt:{*}:grant")]
    assert [await waiting.redis.hget(key, "status") for key in grants] == ["revoked"]


async def test_a_refresh_that_no_replica_confirms_is_answered_because_its_loss_can_be_healed(
    replication: Replication, waiting: AuthServer
) -> None:
    client = await waiting.registered()
    tokens = await client.tokens(waiting.browser())
    await epoch_noted(waiting)
    await synchronised(replication)
    sever(replication)
    newer = await client.refresh(tokens["refresh_token"])
    assert newer.status_code == 200
    await fail_over(replication, waiting)
    # No replica is left to confirm anything, and refreshes go on all the same.
    assert (await client.refresh(newer.json()["refresh_token"])).status_code == 200
