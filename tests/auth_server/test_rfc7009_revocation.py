"""POST /oauth/revoke (RFC 7009)."""

import asyncio
import json
from base64 import urlsafe_b64encode
from typing import Any

import httpx
import pytest

from dev.flow import Browser, OAuthClient, claims_of
from shared.credentials import credential_key
from shared.revocation import CHANNEL, deny_key
from tests.auth_server.answers import refused
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

Tokens = dict[str, Any]


@pytest.fixture
async def tokens(client: OAuthClient, browser: Browser) -> Tokens:
    return await client.tokens(browser)


def revoked(response: httpx.Response) -> bool:
    assert response.headers["cache-control"] == "no-store"
    return response.status_code == 200


@requirement("V2", "F113", "F116")
@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "id_token", "x" * 100, "\x00"])
async def test_revoking_a_refresh_token_ends_the_grant_whatever_the_hint(
    server: AuthServer, client: OAuthClient, tokens: Tokens, hint: str | None
) -> None:
    hints = {} if hint is None else {"token_type_hint": hint}
    assert revoked(await client.revoke(tokens["refresh_token"], **hints))
    assert await server.is_denied(tokens)
    refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")


@requirement("V2", "F114", "F116")
@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "garbage"])
async def test_revoking_an_access_token_leaves_the_grant_alive(
    server: AuthServer, client: OAuthClient, tokens: Tokens, hint: str | None
) -> None:
    hints = {} if hint is None else {"token_type_hint": hint}
    assert revoked(await client.revoke(tokens["access_token"], **hints))
    assert await server.is_denied(tokens)
    newer = (await client.refresh(tokens["refresh_token"])).json()
    assert not await server.is_denied(newer)


async def test_an_old_refresh_token_of_the_family_ends_the_grant_too(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    newer = (await client.refresh(tokens["refresh_token"])).json()
    assert revoked(await client.revoke(tokens["refresh_token"]))
    assert await server.is_denied(newer)
    refused(await client.refresh(newer["refresh_token"]), 400, "invalid_grant")


@requirement("F119")
async def test_a_token_is_revoked_twice_as_well_as_once(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    for _ in range(2):
        assert revoked(await client.revoke(tokens["refresh_token"]))
        assert revoked(await client.revoke(tokens["access_token"]))
    assert await server.is_denied(tokens)


@requirement("V1", "F115")
@pytest.mark.parametrize(
    "token",
    ["unknown", "vtr_", "vtr_AAAA", "eyJ.e30.x", "a.b.c", "vtr_ü", "x" * 20_000, "\x00", "..", "é" * 50],
)
async def test_what_is_no_token_is_answered_as_if_it_were_revoked(
    server: AuthServer, client: OAuthClient, tokens: Tokens, token: str
) -> None:
    assert revoked(await client.revoke(token))
    assert not await server.is_denied(tokens)
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


@requirement("V1")
async def test_an_expired_access_token_is_answered_as_if_it_were_revoked(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    server.clock.advance(3601)
    assert revoked(await client.revoke(tokens["access_token"]))


async def test_a_forged_access_token_revokes_nothing(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    header, payload, signature = tokens["access_token"].split(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    for forged in (f"{header}.{payload}.{flipped}", f"{header}.{payload}."):
        assert revoked(await client.revoke(forged))
    assert not await server.is_denied(tokens)


async def test_a_forged_refresh_token_revokes_nothing(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    token = tokens["refresh_token"]
    for forged in (token[:-1] + ("A" if token[-1] != "A" else "B"), token[:40] + "AAAA" + token[44:]):
        assert revoked(await client.revoke(forged))
    assert not await server.is_denied(tokens)
    assert (await client.refresh(token)).status_code == 200


@requirement("V2", "F117")
@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
async def test_another_confidential_client_is_refused_and_the_token_survives(
    server: AuthServer, client: OAuthClient, tokens: Tokens, kind: str
) -> None:
    other = await server.registered()
    refused(await other.revoke(tokens[kind]), 400, "unauthorized_client")
    assert not await server.is_denied(tokens)
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


@requirement("V2", "F117")
@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
async def test_another_public_client_learns_nothing_and_the_token_survives(
    server: AuthServer, client: OAuthClient, public_client: OAuthClient, tokens: Tokens, kind: str
) -> None:
    assert revoked(await public_client.revoke(tokens[kind]))
    assert not await server.is_denied(tokens)
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_public_client_revokes_its_own_token(
    server: AuthServer, public_client: OAuthClient, browser: Browser
) -> None:
    tokens = await public_client.tokens(browser)
    assert revoked(await public_client.revoke(tokens["refresh_token"]))
    assert await server.is_denied(tokens)


@pytest.mark.parametrize("secret", ["wrong", ""])
async def test_the_client_must_authenticate(
    server: AuthServer, client: OAuthClient, tokens: Tokens, secret: str
) -> None:
    response = await client.revoke(tokens["refresh_token"], client_secret=secret)
    refused(response, 401, "invalid_client")
    assert not await server.is_denied(tokens)


async def test_the_token_is_required_and_must_not_be_repeated(client: OAuthClient, tokens: Tokens) -> None:
    refused(await client.post("/oauth/revoke", {}), 400, "invalid_request")
    form = {
        "client_id": client.client_id,
        "client_secret": client.client_secret or "",
        "token": [tokens["refresh_token"], tokens["refresh_token"]],
    }
    refused(await client.http.post("/oauth/revoke", data=form), 400, "invalid_request")
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


@requirement("F118")
async def test_a_token_in_the_url_is_refused(server: AuthServer, client: OAuthClient, tokens: Tokens) -> None:
    form = {"client_id": client.client_id, "client_secret": client.client_secret or ""}
    response = await client.http.post(f"/oauth/revoke?token={tokens['refresh_token']}", data=form)
    refused(response, 400, "invalid_request")
    assert not await server.is_denied(tokens)


@requirement("F118")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_the_revocation_endpoint_takes_post_only(http: httpx.AsyncClient, method: str) -> None:
    response = await http.request(method, "/oauth/revoke")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


async def test_resource_servers_are_told_at_once_and_remember_longer_than_a_token_lives(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    grant_id = claims_of(tokens["access_token"])["gid"]
    async with server.redis.pubsub(ignore_subscribe_messages=True) as feed:
        await feed.subscribe(CHANNEL)
        await client.revoke(tokens["refresh_token"])
        async with asyncio.timeout(5):
            heard = ""
            while not heard.startswith("deny "):
                message = await feed.get_message(timeout=1)
                heard = str(message["data"]) if message else ""
    assert heard.split()[1] == grant_id
    assert int(heard.split()[2]) > tokens["expires_in"]
    assert await server.redis.ttl(deny_key(grant_id)) > tokens["expires_in"]


@requirement("L234")
async def test_revocation_takes_the_val_town_credential_with_it(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    key = credential_key(claims_of(tokens["access_token"])["gid"])
    assert await server.redis.exists(key)
    await client.revoke(tokens["refresh_token"])
    assert not await server.redis.exists(key)


@requirement("E110")
async def test_other_grants_of_the_client_and_the_person_live_on(
    server: AuthServer, client: OAuthClient, browser: Browser, tokens: Tokens
) -> None:
    other = await client.tokens(browser)
    await client.revoke(tokens["refresh_token"])
    assert not await server.is_denied(other)
    assert (await client.refresh(other["refresh_token"])).status_code == 200


@requirement("F121")
async def test_a_revocation_that_races_with_refreshes_wins(server: AuthServer, client: OAuthClient) -> None:
    browser = server.browser()
    for _ in range(10):
        tokens = await client.tokens(browser)
        answers = await asyncio.gather(
            client.refresh(tokens["refresh_token"]),
            client.revoke(tokens["refresh_token"]),
            client.refresh(tokens["refresh_token"]),
        )
        for answer in (answers[0], answers[2]):
            if answer.status_code == 200:
                assert await server.is_denied(answer.json())
                refused(await client.refresh(answer.json()["refresh_token"]), 400, "invalid_grant")
        assert await server.is_denied(tokens)


async def test_a_token_that_names_an_unknown_key_is_answered_as_if_it_were_revoked(
    client: OAuthClient, tokens: Tokens
) -> None:
    header = {"alg": "RS256", "kid": "unknown", "typ": "at+jwt"}
    encoded = urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    assert revoked(await client.revoke(f"{encoded}.{tokens['access_token'].partition('.')[2]}"))
