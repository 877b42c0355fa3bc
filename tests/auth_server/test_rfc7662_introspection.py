"""POST /oauth/introspect (RFC 7662)."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from auth_server.settings import AuthSettings
from dev.flow import Browser, OAuthClient, claims_of
from mcp_server.sandbox.accounts import ADA as ADA_ACCOUNT
from shared.revocation import deny_key
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ISSUER, OTHER_RESOURCE, RESOURCE, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

Tokens = dict[str, Any]
BOTH = pytest.mark.parametrize("kind", ["access_token", "refresh_token"])


@pytest.fixture
async def tokens(client: OAuthClient, browser: Browser) -> Tokens:
    return await client.tokens(browser, scope="vals:read")


def answered(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    body: dict[str, Any] = response.json()
    return body


def active(response: httpx.Response) -> dict[str, Any]:
    body = answered(response)
    assert body["active"] is True
    assert None not in body.values()
    return body


def inactive(response: httpx.Response) -> None:
    assert answered(response) == {"active": False}
    assert response.content == b'{"active":false}'


@requirement("N1", "F124")
async def test_a_client_learns_what_its_access_token_amounts_to(client: OAuthClient, tokens: Tokens) -> None:
    claims = claims_of(tokens["access_token"])
    assert active(await client.introspect(tokens["access_token"])) == {
        "active": True,
        "scope": "vals:read",
        "client_id": client.client_id,
        "username": ADA_ACCOUNT.username,
        "token_type": "Bearer",
        "exp": claims["exp"],
        "iat": claims["iat"],
        "sub": claims["sub"],
        "aud": RESOURCE,
        "iss": ISSUER,
        "jti": claims["jti"],
        "gid": claims["gid"],
    }


@requirement("N1", "F124")
async def test_a_client_learns_what_its_refresh_token_amounts_to(
    settings: AuthSettings, client: OAuthClient, tokens: Tokens
) -> None:
    claims = claims_of(tokens["access_token"])
    body = active(await client.introspect(tokens["refresh_token"]))
    assert 0 <= body.pop("exp") - claims["iat"] - settings.oauth_refresh_token_ttl <= 5
    assert body == {
        "active": True,
        "scope": "vals:read",
        "client_id": client.client_id,
        "username": ADA_ACCOUNT.username,
        "sub": claims["sub"],
        "aud": RESOURCE,
        "iss": ISSUER,
        "gid": claims["gid"],
    }


@requirement("N1")
@BOTH
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "x" * 100])
async def test_the_hint_does_not_matter(client: OAuthClient, tokens: Tokens, kind: str, hint: str) -> None:
    active(await client.introspect(tokens[kind], token_type_hint=hint))


@requirement("N1")
async def test_the_scope_of_an_access_token_is_its_own_not_the_grants(
    client: OAuthClient, browser: Browser
) -> None:
    tokens = await client.tokens(browser, scope="vals:read blobs:read")
    less = (await client.refresh(tokens["refresh_token"], scope="blobs:read")).json()
    assert active(await client.introspect(less["access_token"]))["scope"] == "blobs:read"
    assert active(await client.introspect(less["refresh_token"]))["scope"] == "vals:read blobs:read"


@requirement("N1", "F122")
@BOTH
async def test_the_caller_must_be_a_client_with_a_secret(
    server: AuthServer, client: OAuthClient, tokens: Tokens, browser: Browser, kind: str
) -> None:
    public = await server.public()
    of_public = await public.tokens(browser)
    for answer in (
        await client.http.post("/oauth/introspect", data={"token": tokens[kind]}),
        await client.http.post(
            "/oauth/introspect", data={"token": tokens[kind], "client_id": client.client_id}
        ),
        await client.introspect(tokens[kind], client_secret="wrong"),
        await public.introspect(of_public[kind]),
        await public.introspect(tokens[kind]),
    ):
        refused(answer, 401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic ")
    active(await client.introspect(tokens[kind]))


@requirement("N1")
async def test_the_caller_may_use_basic(client: OAuthClient, tokens: Tokens) -> None:
    pair = base64.b64encode(f"{client.client_id}:{client.client_secret}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}"}
    form = {"token": tokens["access_token"]}
    active(await client.http.post("/oauth/introspect", data=form, headers=headers))


@requirement("F122")
@BOTH
async def test_a_token_of_another_client_is_inactive(
    server: AuthServer, client: OAuthClient, tokens: Tokens, kind: str
) -> None:
    other = await server.registered()
    inactive(await other.introspect(tokens[kind]))
    active(await client.introspect(tokens[kind]))


Ruin = Callable[[str], str]
RUINS: dict[str, Ruin] = {
    "garbage": lambda _token: "garbage",
    "cut": lambda token: token[:-2],
    "longer": lambda token: token + "AA",
    "other bytes": lambda token: token[:60] + ("A" if token[60] != "A" else "B") + token[61:],
    "not ASCII": lambda token: token + "ü",
    "NUL": lambda token: "\x00" + token,
    "long": lambda token: token + "x" * 20_000,
    "unsigned": lambda token: token.rpartition(".")[0] + ".",
}


@requirement("N1", "F123")
@BOTH
@pytest.mark.parametrize("ruin", RUINS.values(), ids=RUINS)
async def test_what_was_not_issued_here_is_inactive(
    client: OAuthClient, tokens: Tokens, kind: str, ruin: Ruin
) -> None:
    inactive(await client.introspect(ruin(tokens[kind])))
    active(await client.introspect(tokens[kind]))


@requirement("N1", "F123")
async def test_an_access_token_is_inactive_the_second_it_expires(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    left = claims_of(tokens["access_token"])["exp"] - server.clock.now()
    server.clock.advance(left - 5)
    active(await client.introspect(tokens["access_token"]))
    server.clock.advance(6)
    inactive(await client.introspect(tokens["access_token"]))
    active(await client.introspect(tokens["refresh_token"]))


@requirement("N1", "F123")
async def test_a_refresh_token_that_lay_unused_too_long_is_inactive(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    server.clock.advance(server.settings.oauth_refresh_token_ttl - 5)
    active(await client.introspect(tokens["refresh_token"]))
    server.clock.advance(6)
    inactive(await client.introspect(tokens["refresh_token"]))


@requirement("F123")
async def test_a_refresh_token_that_was_exchanged_is_inactive(client: OAuthClient, tokens: Tokens) -> None:
    newer = (await client.refresh(tokens["refresh_token"])).json()
    inactive(await client.introspect(tokens["refresh_token"]))
    active(await client.introspect(newer["refresh_token"]))
    # Asking is no use of a token: the family is as it was.
    assert (await client.refresh(newer["refresh_token"])).status_code == 200


@requirement("N1", "F123")
async def test_a_grant_that_was_revoked_leaves_nothing_active(client: OAuthClient, tokens: Tokens) -> None:
    await client.revoke(tokens["refresh_token"])
    inactive(await client.introspect(tokens["access_token"]))
    inactive(await client.introspect(tokens["refresh_token"]))


@requirement("N1", "F123")
async def test_one_access_token_that_was_revoked_is_inactive_alone(
    client: OAuthClient, tokens: Tokens
) -> None:
    newer = (await client.refresh(tokens["refresh_token"])).json()
    await client.revoke(tokens["access_token"])
    inactive(await client.introspect(tokens["access_token"]))
    active(await client.introspect(newer["access_token"]))
    active(await client.introspect(newer["refresh_token"]))


@requirement("F123")
async def test_a_revocation_counts_as_the_store_has_it(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    claims = claims_of(tokens["access_token"])
    await server.redis.set(deny_key(claims["gid"], claims["jti"]), "1", ex=60)
    inactive(await client.introspect(tokens["access_token"]))


@pytest.fixture
async def of_other_resource(client: OAuthClient, browser: Browser) -> Tokens:
    return await client.tokens(browser, resource=OTHER_RESOURCE)


@requirement("N1", "F123")
async def test_a_token_for_a_resource_that_is_not_served_any_more_is_inactive(
    client: OAuthClient, of_other_resource: Tokens, open_server: OpenServer
) -> None:
    token = of_other_resource["access_token"]
    assert active(await client.introspect(token))["aud"] == OTHER_RESOURCE
    async with open_server(oauth_resources="") as without:
        there = without.client()
        there.client_id, there.client_secret = client.client_id, client.client_secret
        inactive(await there.introspect(token))


@requirement("F123")
async def test_a_token_of_another_issuer_with_the_same_keys_is_inactive(
    client: OAuthClient, tokens: Tokens, open_server: OpenServer
) -> None:
    async with open_server(oauth_issuer_url="https://other-issuer.test") as other:
        there = other.client()
        there.client_id, there.client_secret = client.client_id, client.client_secret
        inactive(await there.introspect(tokens["access_token"]))


@requirement("F123")
@BOTH
async def test_tokens_of_somebody_not_admitted_any_more_are_inactive(
    open_server: OpenServer, redis: Redis, kind: str
) -> None:
    async with open_server() as before:
        client = await before.registered()
        tokens = await client.tokens(before.browser())
    async with open_server(oauth_allowed_users="somebody-else") as after:
        there = after.client()
        there.client_id, there.client_secret = client.client_id, client.client_secret
        inactive(await there.introspect(tokens[kind]))


@requirement("F123", "F124")
async def test_a_body_of_ten_mebibytes_is_refused(client: OAuthClient, tokens: Tokens) -> None:
    refused(await client.introspect("x" * 10_485_760), 413, "invalid_request")
    active(await client.introspect(tokens["access_token"]))


async def test_the_token_is_required_once_and_in_the_body(client: OAuthClient, tokens: Tokens) -> None:
    token = tokens["access_token"]
    credentials = {"client_id": client.client_id, "client_secret": client.client_secret or ""}
    refused(await client.post("/oauth/introspect", {}), 400, "invalid_request")
    twice = {**credentials, "token": [token, token]}
    refused(await client.http.post("/oauth/introspect", data=twice), 400, "invalid_request")
    in_url = await client.http.post(f"/oauth/introspect?token={token}", data=credentials)
    refused(in_url, 400, "invalid_request")
    in_json = await client.http.post("/oauth/introspect", json={**credentials, "token": token})
    refused(in_json, 415, "invalid_request")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_the_introspection_endpoint_takes_post_only(http: httpx.AsyncClient, method: str) -> None:
    response = await http.request(method, "/oauth/introspect")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


async def test_pages_of_other_origins_may_not_read_the_answers(client: OAuthClient, tokens: Tokens) -> None:
    form = {"client_id": client.client_id, "client_secret": client.client_secret or ""}
    response = await client.http.post(
        "/oauth/introspect",
        data={**form, "token": tokens["access_token"]},
        headers={"Origin": "https://app.example.com"},
    )
    active(response)
    assert "access-control-allow-origin" not in response.headers


async def test_the_metadata_offer_introspection_to_clients_that_prove_themselves(
    http: httpx.AsyncClient,
) -> None:
    metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["introspection_endpoint"] == f"{ISSUER}/oauth/introspect"
    methods = metadata["introspection_endpoint_auth_methods_supported"]
    assert methods == ["client_secret_basic", "client_secret_post", "private_key_jwt"]
