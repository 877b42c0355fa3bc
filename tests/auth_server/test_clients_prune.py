"""`python -m auth_server clients prune`: unused apps go, whatever is used or was registered by hand stays."""

import json
from pathlib import Path

import pytest

from auth_server.store.redis.clients import KEPT_AHEAD_SECONDS, NEVER_USED_SECONDS, UNUSED_SECONDS
from auth_server.store.redis.unused_clients import UnusedClient, UnusedClients
from dev.flow import OAuthClient, claims_of
from tests.auth_server.answers import refused
from tests.auth_server.deployment import REDIRECT_URI, AuthServer
from tests.support.operator import Operator

pytestmark = pytest.mark.anyio

DAY = 86_400


@pytest.fixture
def clients(server: AuthServer, redis_url: str, tmp_path: Path) -> Operator:
    """Return the way to run the commands."""
    return Operator("clients", redis_url, tmp_path)


async def aged(server: AuthServer, client: OAuthClient, *, days: int) -> None:
    """Make a client look as if it had registered, and maybe got its last token, so many days ago."""
    key = f"vt:client:{client.client_id}"
    metadata = json.loads(await server.redis.hget(key, "metadata") or "")
    metadata["client_id_issued_at"] -= days * DAY
    await server.redis.hset(key, "metadata", json.dumps(metadata))
    await server.redis.expire(key, await server.redis.ttl(key) - days * DAY)


async def is_known(server: AuthServer, client: OAuthClient) -> bool:
    """Return whether there is such a client."""
    return bool(await server.redis.exists(f"vt:client:{client.client_id}"))


async def used_long_ago(server: AuthServer, client: OAuthClient, *, days: int) -> dict[str, str]:
    """Let a client get tokens, withdraw the grant, and age it; return the tokens."""
    tokens = await client.tokens(server.browser())
    await server.app.state.services.grants.revoke(claims_of(tokens["access_token"])["gid"], reason="test")
    await aged(server, client, days=days)
    return tokens


async def test_only_what_is_old_and_unused_goes(
    server: AuthServer, clients: Operator, client: OAuthClient, public_client: OAuthClient
) -> None:
    await used_long_ago(server, client, days=40)
    with_grant, recent, never_used = [await server.registered() for _ in range(3)]
    await with_grant.tokens(server.browser())
    await aged(server, with_grant, days=40)
    await used_long_ago(server, recent, days=20)
    await aged(server, never_used, days=5)
    arguments = ("create", "--name", "Known App", "--redirect-uri", REDIRECT_URI)
    by_hand = (await clients.json(*arguments))["client_id"]

    pruned = await clients.json("prune", "--yes")
    assert pruned == {"unused": [client.client_id], "removed": [client.client_id]}
    assert not await is_known(server, client)
    code = await public_client.redeem("vtac_unknown", "v" * 43)
    refused(code, 400, "invalid_grant")
    refused(await client.redeem("vtac_unknown", "v" * 43), 401, "invalid_client")

    pruned = await clients.json("prune", "--yes", "--older-than-days", "3")
    assert set(pruned["removed"]) == {recent.client_id, never_used.client_id}
    assert await is_known(server, with_grant)
    assert await is_known(server, public_client)
    assert (await clients("show", by_hand)).returncode == 0


async def test_nothing_goes_without_a_yes(server: AuthServer, clients: Operator, client: OAuthClient) -> None:
    await used_long_ago(server, client, days=40)
    for arguments, typed, status in (((), "n\n", 1), ((), "", 1), (("--dry-run",), "", 0)):
        ended = await clients("prune", *arguments, typed=typed)
        assert ended.returncode == status
        assert client.client_id in ended.stdout
        assert await is_known(server, client)
    listed = await clients.json("prune", "--dry-run")
    assert listed == {"unused": [client.client_id], "removed": []}
    assert (await clients("prune", typed="y\n")).returncode == 0
    assert not await is_known(server, client)


async def test_a_shared_client_goes_when_none_of_those_who_share_it_uses_it(
    server: AuthServer, clients: Operator
) -> None:
    metadata = {"token_endpoint_auth_method": "none", "client_name": "Shared"}
    client = await server.registered(**metadata)
    same = await server.registered(**metadata)
    assert same.client_id == client.client_id
    await used_long_ago(server, client, days=40)
    assert (await clients.json("prune", "--yes"))["removed"] == [client.client_id]
    # Whoever comes back gets another.
    assert (await server.registered(**metadata)).client_id != client.client_id


async def one_unused(server: AuthServer) -> tuple[UnusedClients, UnusedClient]:
    """Return the only client that is unused now, and the store that knows it."""
    store = UnusedClients(server.redis, grant_idle_seconds=server.settings.oauth_refresh_token_ttl)
    (unused,) = [each async for each in store.since(server.clock.now() - 30 * DAY)]
    return store, unused


async def test_a_client_that_came_into_use_is_not_closed(server: AuthServer, client: OAuthClient) -> None:
    await used_long_ago(server, client, days=40)
    store, unused = await one_unused(server)
    tokens = await client.tokens(server.browser())
    assert await store.close(unused) is False
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_client_that_was_joined_meanwhile_is_not_closed(server: AuthServer) -> None:
    metadata = {"token_endpoint_auth_method": "none", "client_name": "Joined"}
    client = await server.registered(**metadata)
    await used_long_ago(server, client, days=40)
    store, unused = await one_unused(server)
    assert (await server.registered(**metadata)).client_id == client.client_id
    assert await store.close(unused) is False
    assert "access_token" in await client.tokens(server.browser())
    # And the neighbour: what nothing has happened to is closed, once.
    await used_long_ago(server, client, days=40)
    store, unused = await one_unused(server)
    assert await store.close(unused) is True
    assert await is_known(server, client)
    refused(await client.redeem("vtac_unknown", "v" * 43), 401, "invalid_client")


async def test_when_a_client_was_used_is_known_by_its_expiry(
    server: AuthServer, client: OAuthClient, public_client: OAuthClient
) -> None:
    assert NEVER_USED_SECONDS < UNUSED_SECONDS
    await aged(server, public_client, days=5)
    tokens = await used_long_ago(server, client, days=40)
    store = UnusedClients(server.redis, grant_idle_seconds=server.settings.oauth_refresh_token_ttl)
    found = {each.client.client_id: each async for each in store.since(server.clock.now() - 3 * DAY)}
    assert found[public_client.client_id].last_used_at is None
    last_used_at = found[client.client_id].last_used_at
    assert last_used_at is not None
    used_at = claims_of(tokens["access_token"])["iat"] - 40 * DAY
    assert -2 <= last_used_at - used_at <= KEPT_AHEAD_SECONDS + 2
