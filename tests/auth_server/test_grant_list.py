"""The list of a person's grants: what is alive, newest first, and nothing of anybody else."""

import pytest

from auth_server.models import GrantSummary
from auth_server.store.base import CODE_SECONDS
from dev.flow import OAuthClient, claims_of
from shared.key_check import StoreEmptiedError
from shared.oauth.access_token import LEEWAY
from tests.auth_server.deployment import GRACE, RESOURCE, AuthServer

pytestmark = pytest.mark.anyio


async def listed(server: AuthServer, subject: str) -> list[GrantSummary]:
    """Return the grants of a person."""
    found: list[GrantSummary] = await server.app.state.services.grants.of_user(subject)
    return found


async def test_the_grants_of_a_person_are_listed_newest_first(
    server: AuthServer, client: OAuthClient, public_client: OAuthClient
) -> None:
    first = claims_of((await client.tokens(server.browser()))["access_token"])
    server.clock.advance(100)
    second = claims_of((await public_client.tokens(server.browser(), scope="vals:read"))["access_token"])
    others = claims_of((await client.tokens(server.browser(GRACE)))["access_token"])
    grants = await listed(server, first["sub"])
    assert [grant.grant_id for grant in grants] == [second["gid"], first["gid"]]
    newest = grants[0]
    assert (newest.client_id, newest.subject, newest.username) == (
        public_client.client_id,
        first["sub"],
        "ada",
    )
    assert (newest.scopes, newest.resource) == (("vals:read",), RESOURCE)
    assert newest.used_at is not None
    assert abs(newest.created_at - second["iat"]) <= 1
    assert abs(newest.used_at - second["iat"]) <= 1
    assert [grant.grant_id for grant in await listed(server, others["sub"])] == [others["gid"]]


async def test_a_refresh_moves_last_use_and_expiry(server: AuthServer, client: OAuthClient) -> None:
    tokens = await client.tokens(server.browser())
    subject = claims_of(tokens["access_token"])["sub"]
    (before,) = await listed(server, subject)
    server.clock.advance(1000)
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200
    (after,) = await listed(server, subject)
    assert before.used_at is not None
    assert after.used_at is not None
    assert 1000 <= after.used_at - before.used_at <= 1060
    assert 1000 <= after.expires_at - before.expires_at <= 1060
    assert after.created_at == before.created_at


async def test_a_grant_whose_code_waits_is_listed_until_the_code_expires(
    server: AuthServer, client: OAuthClient
) -> None:
    await server.code(client)
    (key,) = [key async for key in server.redis.scan_iter(match="vt:user:*:grants")]
    subject = key.split(":")[2]
    (pending,) = await listed(server, subject)
    assert pending.used_at is None
    server.clock.advance(CODE_SECONDS)
    assert await listed(server, subject) == []
    # The store's clock decides whether a code is over; it would be missing here if this replica's were fast.
    assert await server.redis.zcard(key) == 1


async def test_a_revoked_grant_leaves_the_list(server: AuthServer, client: OAuthClient) -> None:
    kept = claims_of((await client.tokens(server.browser()))["access_token"])
    tokens = await client.tokens(server.browser())
    assert len(await listed(server, kept["sub"])) == 2
    assert (await client.revoke(tokens["refresh_token"])).status_code == 200
    assert [grant.grant_id for grant in await listed(server, kept["sub"])] == [kept["gid"]]
    assert await server.redis.zcard(f"vt:user:{kept['sub']}:grants") == 1


async def test_a_grant_is_listed_as_long_as_something_of_it_works(
    server: AuthServer, client: OAuthClient
) -> None:
    settings = server.settings
    lasting = claims_of((await client.tokens(server.browser()))["access_token"])
    server.clock.advance(settings.oauth_refresh_token_ttl - 60)
    assert len(await listed(server, lasting["sub"])) == 1
    server.clock.advance(60)
    assert await listed(server, lasting["sub"]) == []


async def test_a_grant_without_refresh_token_lasts_as_long_as_its_access_token(server: AuthServer) -> None:
    client = await server.registered(grant_types=["authorization_code"])
    tokens = await client.tokens(server.browser())
    assert "refresh_token" not in tokens
    (grant,) = await listed(server, claims_of(tokens["access_token"])["sub"])
    assert 0 <= grant.expires_at - claims_of(tokens["access_token"])["exp"] <= LEEWAY + 1


async def test_an_emptied_store_is_not_taken_for_a_person_without_grants(server: AuthServer) -> None:
    assert await listed(server, "nobody") == []
    kept = await server.redis.hgetall("vt:meta:key-check")
    await server.redis.delete("vt:meta:key-check")
    try:
        with pytest.raises(StoreEmptiedError):
            await listed(server, "nobody")
    finally:
        await server.redis.hset("vt:meta:key-check", mapping=kept)
