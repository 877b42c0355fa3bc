"""Grants whose person signed in with Val Town: their tokens are refreshed, once, by whoever comes first."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from redis.asyncio import Redis

from mcp_server.sandbox.oauth.connections import ACCESS_SECONDS
from shared.clock import Clock
from shared.credentials import (
    CredentialOwner,
    CredentialStore,
    OAuthTokens,
    credential_key,
    seal_credential,
)
from shared.sealing import Sealer
from shared.valtown.oauth import ValTownOAuth
from tests.support.resource_server import (
    ENCRYPTION_KEY,
    VAL_TOWN,
    Server,
    server_opener,
    streamed,
)
from tests.support.tokens import SigningKey
from tests.support.with_sandbox import WithSandbox, running_sandbox

pytestmark = pytest.mark.anyio

OWNER = CredentialOwner("grant-1", "user-ada", "client-1")
CALLBACK = "https://auth.test/oauth/callback/val-town"
HOUR = 3600


class ValTown(WithSandbox):
    """The sandbox; `fault` answers token requests in its place, `before_token` runs before them."""

    fault: Any = None

    async def pass_on(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token" and self.fault is not None:
            self.val_town_requests.append(request)
            answer: httpx.Response = await self.fault(request)
            return answer
        return await super().pass_on(request)

    def refreshes(self) -> int:
        return [request.url.path for request in self.val_town_requests].count("/oauth/token")


@pytest.fixture
async def outside(signing_key: SigningKey, tmp_path: Path, anyio_backend: str) -> AsyncIterator[ValTown]:
    async with running_sandbox(tmp_path) as sandbox:
        yield ValTown(keys=[signing_key.public_jwk()], sandbox=sandbox)


@pytest.fixture
async def tokens(outside: ValTown, clock: Clock) -> OAuthTokens:
    """Return the tokens of a connection of Ada's."""
    async with outside.client() as http:
        upstream = ValTownOAuth(http)
        endpoints = await upstream.discover(f"{VAL_TOWN}/oauth")
        client = await upstream.register(endpoints, CALLBACK)
        query = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": CALLBACK,
            "scope": "user_r project_rw offline_access",
            "prompt": "consent",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        }
        response = await http.post(
            endpoints.authorization, params=query, data={"account": "ada", "decision": "allow"}
        )
        code = parse_qs(urlsplit(response.headers["location"]).query)["code"][0]
        issued = await upstream.redeem(
            endpoints,
            client,
            code=code,
            verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            redirect_uri=CALLBACK,
            now=int(clock.now()),
        )
    outside.val_town_requests.clear()
    return issued


@pytest.fixture
async def linked(server: Server, tokens: OAuthTokens) -> Server:
    await keep(server.redis, tokens)
    return server


async def keep(redis: Redis, tokens: OAuthTokens) -> None:
    sealed = seal_credential(Sealer(ENCRYPTION_KEY), OWNER, tokens)
    await redis.set(credential_key(OWNER.grant_id), sealed, ex=HOUR)


async def kept(redis: Redis) -> OAuthTokens:
    found = await CredentialStore(redis, Sealer(ENCRYPTION_KEY)).read(OWNER)
    assert isinstance(found, OAuthTokens)
    return found


async def me(server: Server) -> dict[str, Any]:
    client = server.client(exp=int(server.clock.now()) + HOUR)
    response = await client.modern("tools/call", {"name": "get_me", "arguments": {}}, mcp_name="get_me")
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()["result"]
    return result


def text_of(result: dict[str, Any]) -> str:
    assert result["isError"] is True
    return str(result["content"][0]["text"])


async def test_a_token_that_is_good_is_used_as_it_is(linked: Server, outside: ValTown) -> None:
    assert (await me(linked))["structuredContent"]["username"] == "ada"
    assert outside.refreshes() == 0


async def test_one_that_ends_is_refreshed_before_and_the_grant_keeps_the_successor(
    linked: Server, outside: ValTown, tokens: OAuthTokens
) -> None:
    linked.clock.advance(ACCESS_SECONDS - 60)
    assert (await me(linked))["structuredContent"]["username"] == "ada"
    successor = await kept(linked.redis)
    assert successor.refresh_token != tokens.refresh_token
    assert successor.expires_at > tokens.expires_at
    # As long as the grant: refreshing prolongs nothing of ours.
    assert 0 < await linked.redis.ttl(credential_key(OWNER.grant_id)) <= HOUR
    assert outside.refreshes() == 1
    linked.clock.advance(HOUR)
    assert not (await me(linked)).get("isError")
    assert outside.refreshes() == 1


async def test_many_calls_on_two_replicas_refresh_once(
    linked: Server, outside: ValTown, signing_key: SigningKey
) -> None:
    opened = server_opener(linked.redis, linked.clock, signing_key, outside)
    linked.clock.advance(ACCESS_SECONDS + 1)
    async with opened() as other:
        answers = await asyncio.gather(*(me(each) for each in (linked, other) * 8))
    assert not any(answer.get("isError") for answer in answers)
    assert outside.refreshes() == 1


async def test_without_the_lock_the_store_still_decides(
    linked: Server, outside: ValTown, tokens: OAuthTokens
) -> None:
    # Somebody else puts another successor there while Val Town answers: that one counts.
    other = replace(
        tokens,
        access_token="other-access",
        refresh_token="other-refresh",
        expires_at=tokens.expires_at + 10 * ACCESS_SECONDS,
    )

    async def meanwhile(_request: httpx.Request) -> httpx.Response:
        await keep(linked.redis, other)
        body = b'{"access_token": "late", "token_type": "Bearer", "expires_in": 60, "refresh_token": "late"}'
        return streamed(200, body)

    outside.fault = meanwhile
    linked.clock.advance(ACCESS_SECONDS + 1)
    await me(linked)
    assert await kept(linked.redis) == other
    used = [request for request in outside.val_town_requests if request.url.path == "/v1/me"]
    assert used[-1].headers["authorization"] == "Bearer other-access"


async def test_a_refusal_after_somebody_else_refreshed_is_no_refusal(
    linked: Server, outside: ValTown, tokens: OAuthTokens
) -> None:
    async with outside.client() as http:
        successor = await ValTownOAuth(http).refresh(tokens, now=int(linked.clock.now()) + ACCESS_SECONDS)

    async def refuse(_request: httpx.Request) -> httpx.Response:
        await keep(linked.redis, successor)
        return streamed(400, b'{"error": "invalid_grant"}')

    outside.fault = refuse
    linked.clock.advance(ACCESS_SECONDS + 10)
    assert (await me(linked))["structuredContent"]["username"] == "ada"


async def test_when_val_town_ends_the_connection_the_person_is_asked_to_sign_in_again(
    linked: Server, outside: ValTown
) -> None:
    async with outside.client() as http:
        (connection,) = (await http.get(f"{VAL_TOWN}/")).json()["connections"]
        await http.post(f"{VAL_TOWN}/connections/{connection['id']}/withdraw")
    outside.val_town_requests.clear()
    # While the token is young Val Town itself refuses it.
    assert "sign in again" in text_of(await me(linked))
    linked.clock.advance(ACCESS_SECONDS + 1)
    for _ in range(3):
        assert "sign in again" in text_of(await me(linked))
    # For good is for good: it is not asked on every call.
    assert outside.refreshes() == 1


@pytest.mark.parametrize("status", [500, 503, 429, 302, 200])
async def test_an_outage_changes_nothing_and_passes(
    linked: Server, outside: ValTown, tokens: OAuthTokens, status: int
) -> None:
    async def away(_request: httpx.Request) -> httpx.Response:
        return streamed(status, b"<html>", {"location": "https://evil.test/"})

    outside.fault = away
    linked.clock.advance(ACCESS_SECONDS - 60)
    # It is still good for a minute.
    assert not (await me(linked)).get("isError")
    linked.clock.advance(100)
    said = text_of(await me(linked))
    assert "just now" in said
    assert "sign in again" not in said
    assert await kept(linked.redis) == tokens
    outside.fault = None
    assert (await me(linked))["structuredContent"]["username"] == "ada"


async def test_a_revoked_grant_is_not_brought_back_by_a_refresh(linked: Server, outside: ValTown) -> None:
    async def revoked_meanwhile(_request: httpx.Request) -> httpx.Response:
        await linked.redis.delete(credential_key(OWNER.grant_id))
        body = b'{"access_token": "late", "token_type": "Bearer", "expires_in": 60, "refresh_token": "late"}'
        return streamed(200, body)

    outside.fault = revoked_meanwhile
    linked.clock.advance(ACCESS_SECONDS + 1)
    assert "sign in again" in text_of(await me(linked))
    assert not await linked.redis.exists(credential_key(OWNER.grant_id))


async def test_its_secrets_go_to_val_town_alone(
    linked: Server, outside: ValTown, tokens: OAuthTokens
) -> None:
    linked.clock.advance(ACCESS_SECONDS + 1)
    await me(linked)
    for request in outside.val_town_requests:
        assert request.url.host == "val-town.test"
        sent = f"{request.url} {request.headers}"
        assert tokens.refresh_token not in sent
        assert tokens.client_secret not in sent
        if request.url.path == "/oauth/token":
            assert "authorization" not in request.headers
