"""A revocation is remembered for as long as any token that was issued could still be taken (RFC 7009).

Lifetimes are settings, and a restart may shorten them: tokens issued before keep theirs.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from dev.flow import OAuthClient, Pkce, claims_of
from shared.oauth.access_token import LEEWAY
from shared.revocation import deny_key
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

LONG, SHORT = 3600, 60


class Restarted:
    """A server with short lives, and what a client got from it while lives were long."""

    def __init__(self, server: AuthServer, client: OAuthClient, code: str, pkce: Pkce) -> None:
        self.server = server
        self.client = client
        self.code = code
        self.pkce = pkce
        self.tokens: dict[str, Any] = {}

    async def remembered_beyond(self, token: str, *, alone: bool = False) -> float:
        """Return for how many seconds beyond a token's expiry its revocation is remembered."""
        claims = claims_of(token)
        key = deny_key(claims["gid"], claims["jti"] if alone else None)
        left = await self.server.redis.pttl(key) / 1000
        assert left > 0, "it is not revoked"
        return float(left + self.server.clock.now() - claims["exp"])


@pytest.fixture
async def restarted(open_server: OpenServer) -> AsyncIterator[Restarted]:
    async with open_server(oauth_access_token_ttl=LONG) as server:
        client = await server.registered()
        code, pkce = await server.code(client)
        tokens = (await client.redeem(code, pkce.verifier)).json()
        assert claims_of(tokens["access_token"])["exp"] > server.clock.now() + LONG - 10
    async with open_server(oauth_access_token_ttl=SHORT, oauth_refresh_grace_seconds=0) as server:
        after = server.client()
        after.client_id, after.client_secret = client.client_id, client.client_secret
        state = Restarted(server, after, code, pkce)
        state.tokens = tokens
        yield state


def long_enough(seconds: float) -> bool:
    # Both clocks may be off by the leeway; and what nobody can use any more need not be kept.
    return 2 * LEEWAY <= seconds <= 2 * LEEWAY + LEEWAY + 2


async def test_a_revoked_grant(restarted: Restarted) -> None:
    assert (await restarted.client.revoke(restarted.tokens["refresh_token"])).status_code == 200
    assert long_enough(await restarted.remembered_beyond(restarted.tokens["access_token"]))


async def test_a_revoked_grant_that_was_refreshed_meanwhile(restarted: Restarted) -> None:
    newer = (await restarted.client.refresh(restarted.tokens["refresh_token"])).json()
    assert newer["expires_in"] == SHORT
    assert (await restarted.client.revoke(newer["refresh_token"])).status_code == 200
    assert long_enough(await restarted.remembered_beyond(restarted.tokens["access_token"]))


@requirement("O12")
async def test_a_code_that_was_used_twice(restarted: Restarted) -> None:
    answer = await restarted.client.redeem(restarted.code, restarted.pkce.verifier)
    refused(answer, 400, "invalid_grant")
    assert long_enough(await restarted.remembered_beyond(restarted.tokens["access_token"]))


@requirement("O23", "E95")
async def test_a_refresh_token_that_was_used_twice(restarted: Restarted) -> None:
    assert (await restarted.client.refresh(restarted.tokens["refresh_token"])).status_code == 200
    refused(await restarted.client.refresh(restarted.tokens["refresh_token"]), 400, "invalid_grant")
    assert long_enough(await restarted.remembered_beyond(restarted.tokens["access_token"]))


@requirement("F114")
async def test_one_access_token(restarted: Restarted) -> None:
    token = restarted.tokens["access_token"]
    assert (await restarted.client.revoke(token)).status_code == 200
    assert long_enough(await restarted.remembered_beyond(token, alone=True))
    newer = (await restarted.client.refresh(restarted.tokens["refresh_token"])).json()
    assert not await restarted.server.is_denied(newer)


async def test_an_access_token_that_only_clocks_that_are_late_still_take(restarted: Restarted) -> None:
    token = restarted.tokens["access_token"]
    restarted.server.clock.advance(LONG + LEEWAY)
    assert (await restarted.client.revoke(token)).status_code == 200
    assert await restarted.server.is_denied(restarted.tokens)


async def test_a_token_of_the_short_life_is_not_remembered_for_the_long_one(restarted: Restarted) -> None:
    tokens = await restarted.client.tokens(restarted.server.browser())
    assert (await restarted.client.revoke(tokens["refresh_token"])).status_code == 200
    assert long_enough(await restarted.remembered_beyond(tokens["access_token"]))
