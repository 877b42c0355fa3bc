"""One grant is one family: what happens to it touches no other, and a restart forgets nothing of it."""

import pytest

from dev.flow import OAuthClient
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import GRACE, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

AFTER_THE_WINDOW = 61


def elsewhere(client: OAuthClient, server: AuthServer) -> OAuthClient:
    """Return the same client in front of another server."""
    other = server.client(client.redirect_uri)
    other.client_id, other.client_secret = client.client_id, client.client_secret
    return other


@requirement("E110")
@pytest.mark.parametrize("how", ["revoked", "reused"])
async def test_the_end_of_one_grant_leaves_all_others_alive(server: AuthServer, how: str) -> None:
    client, other = await server.registered(), await server.registered()
    victim = await client.tokens(server.browser())
    same_person = await client.tokens(server.browser())
    other_client = await other.tokens(server.browser())
    other_person = await client.tokens(server.browser(GRACE))
    if how == "revoked":
        assert (await client.revoke(victim["refresh_token"])).status_code == 200
    else:
        assert (await client.refresh(victim["refresh_token"])).status_code == 200
        server.clock.advance(AFTER_THE_WINDOW)
        refused(await client.refresh(victim["refresh_token"]), 400, "invalid_grant")
    assert await server.is_denied(victim)
    for owner, tokens in ((client, same_person), (other, other_client), (client, other_person)):
        assert not await server.is_denied(tokens)
        assert (await owner.refresh(tokens["refresh_token"])).status_code == 200


@requirement("E102")
async def test_a_restart_makes_no_old_refresh_token_good_again(open_server: OpenServer) -> None:
    async with open_server() as before:
        client = await before.registered()
        first = await client.tokens(before.browser())
        second = (await client.refresh(first["refresh_token"])).json()
    async with open_server() as after:
        client = elsewhere(client, after)
        # Within the window it gets what it got before the restart, and nothing of its own.
        assert (await client.refresh(first["refresh_token"])).json() == second
        third = (await client.refresh(second["refresh_token"])).json()
        after.clock.advance(AFTER_THE_WINDOW)
    async with open_server() as later:
        client = elsewhere(client, later)
        fourth = (await client.refresh(third["refresh_token"])).json()
        refused(await client.refresh(second["refresh_token"]), 400, "invalid_grant")
        assert await later.is_denied(fourth)
        refused(await client.refresh(fourth["refresh_token"]), 400, "invalid_grant")


@requirement("E109")
async def test_without_its_client_or_its_consent_a_refresh_token_is_dead(server: AuthServer) -> None:
    client = await server.registered()
    tokens, revoked = await client.tokens(server.browser()), await client.tokens(server.browser())
    assert (await client.revoke(revoked["refresh_token"])).status_code == 200
    refused(await client.refresh(revoked["refresh_token"]), 400, "invalid_grant")
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200
    await server.redis.delete(f"vt:client:{client.client_id}")
    refused(await client.refresh(tokens["refresh_token"]), 401, "invalid_client")
