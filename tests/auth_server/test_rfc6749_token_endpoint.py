"""POST /oauth/token with a code (RFC 6749 sections 3.2, 4.1.3, 4.1.4, 5.1, 5.2; OAuth 2.1 section 7.5.2)."""

import asyncio
import json

import httpx
import pytest

from dev.flow import Browser, OAuthClient, Pkce, claims_of
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import GRACE, REDIRECT_URI, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


@requirement("O20")
async def test_a_code_becomes_tokens_that_must_not_be_cached(server: AuthServer, client: OAuthClient) -> None:
    code, pkce = await server.code(client, scope="vals:read user:read")
    response = await client.redeem(code, pkce.verifier)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    assert response.headers["content-type"].startswith("application/json")
    body = response.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600
    assert body["scope"] == "vals:read user:read"


@requirement("C59")
async def test_the_redirect_uri_may_be_left_out_of_the_token_request(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": pkce.verifier}
    assert (await client.post("/oauth/token", form)).status_code == 200


@requirement("C58")
@pytest.mark.parametrize(
    "redirect_uri",
    [REDIRECT_URI + "/", REDIRECT_URI + "?x", "https://evil.example/", "HTTPS://client.example.com/callback"],
)
async def test_another_redirect_uri_than_at_authorization_is_refused_and_the_code_stays_good(
    server: AuthServer, client: OAuthClient, redirect_uri: str
) -> None:
    code, pkce = await server.code(client)
    refused(await client.redeem(code, pkce.verifier, redirect_uri=redirect_uri), 400, "invalid_grant")
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


async def test_the_redirect_uri_is_the_one_used_and_not_another_registered_one(server: AuthServer) -> None:
    second = "https://client.example.com/second"
    client = await server.registered(redirect_uris=[REDIRECT_URI, second])
    code, pkce = await server.code(client)
    refused(await client.redeem(code, pkce.verifier, redirect_uri=second), 400, "invalid_grant")


async def test_a_loopback_code_is_bound_to_the_port_it_was_sent_to(server: AuthServer) -> None:
    client = await server.registered("http://127.0.0.1/callback")
    used = "http://127.0.0.1:53211/callback"
    code, pkce = await server.code(client, redirect_uri=used)
    other = "http://127.0.0.1:53212/callback"
    refused(await client.redeem(code, pkce.verifier, redirect_uri=other), 400, "invalid_grant")
    assert (await client.redeem(code, pkce.verifier, redirect_uri=used)).status_code == 200


async def test_an_empty_redirect_uri_counts_as_left_out(server: AuthServer, client: OAuthClient) -> None:
    code, pkce = await server.code(client)
    assert (await client.redeem(code, pkce.verifier, redirect_uri="")).status_code == 200


@requirement("O11", "O13", "C57")
async def test_a_code_of_another_client_is_refused_and_stays_good(
    server: AuthServer, client: OAuthClient
) -> None:
    thief = await server.registered()
    code, pkce = await server.code(client)
    refused(await thief.redeem(code, pkce.verifier), 400, "invalid_grant")
    tokens = await client.redeem(code, pkce.verifier)
    assert tokens.status_code == 200
    # A replay by somebody else revokes nothing either.
    refused(await thief.redeem(code, pkce.verifier), 400, "invalid_grant")
    assert not await server.is_denied(tokens.json())


@requirement("O12", "C54")
async def test_a_second_redemption_revokes_the_tokens_of_the_first(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    tokens = (await client.redeem(code, pkce.verifier)).json()
    assert not await server.is_denied(tokens)
    refused(await client.redeem(code, pkce.verifier), 400, "invalid_grant")
    assert await server.is_denied(tokens)
    refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")


@requirement("O12", "C54")
@pytest.mark.parametrize("seconds", [1, 30, 61, 3600])
async def test_a_late_second_redemption_revokes_all_the_same(
    server: AuthServer, client: OAuthClient, seconds: int
) -> None:
    code, pkce = await server.code(client)
    tokens = (await client.redeem(code, pkce.verifier)).json()
    server.clock.advance(seconds)
    refused(await client.redeem(code, pkce.verifier), 400, "invalid_grant")
    assert await server.is_denied(tokens)


async def test_a_second_redemption_after_a_refresh_revokes_the_refreshed_tokens(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    tokens = (await client.redeem(code, pkce.verifier)).json()
    newer = (await client.refresh(tokens["refresh_token"])).json()
    refused(await client.redeem(code, pkce.verifier), 400, "invalid_grant")
    assert await server.is_denied(newer)
    refused(await client.refresh(newer["refresh_token"]), 400, "invalid_grant")


@requirement("O13", "C56")
async def test_a_second_redemption_with_a_wrong_verifier_or_redirect_uri_changes_nothing(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    tokens = (await client.redeem(code, pkce.verifier)).json()
    refused(await client.redeem(code, Pkce.new().verifier), 400, "invalid_grant")
    refused(await client.redeem(code, pkce.verifier, redirect_uri="https://x.example"), 400, "invalid_grant")
    assert not await server.is_denied(tokens)
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


@requirement("O14", "C53", "F3")
async def test_a_code_lives_sixty_seconds(server: AuthServer, client: OAuthClient) -> None:
    code, pkce = await server.code(client)
    server.clock.advance(59)
    assert (await client.redeem(code, pkce.verifier)).status_code == 200
    late, pkce = await server.code(client)
    server.clock.advance(61)
    refused(await client.redeem(late, pkce.verifier), 400, "invalid_grant")


@requirement("C55")
async def test_redemptions_at_the_same_moment_give_tokens_once_and_then_revoke_them(
    server: AuthServer, public_client: OAuthClient
) -> None:
    code, pkce = await server.code(public_client)
    answers = await asyncio.gather(*(public_client.redeem(code, pkce.verifier) for _ in range(12)))
    good = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(good) == 1
    assert {answer.json().get("error") for answer in answers if answer.status_code != 200} == {
        "invalid_grant"
    }
    assert await server.is_denied(good[0])


def _altered(code: str) -> list[str]:
    flipped = code[:-1] + ("A" if code[-1] != "A" else "B")
    body = code.removeprefix("vtac_")
    return [
        "unknown",
        code[:-1],
        code + "A",
        flipped,
        code.upper(),
        code.lower(),
        code + " ",
        code + "\n",
        body,
        "vtac_",
        "vtac_.",
        "vtac_" + "A" * 22 + "." + "A" * 43,
        "vtac_" + "}" * 22 + "." + "A" * 43,
        "vtac_" + "\x00" * 22 + "." + "A" * 43,
        body.partition(".")[0],
        "x" * 10_000,
        "ü" * 30,
    ]


@requirement("C51", "C52")
async def test_an_unknown_or_altered_code_is_refused_and_the_real_one_stays_good(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    for altered in _altered(code):
        refused(await client.redeem(altered, pkce.verifier), 400, "invalid_grant")
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


async def test_the_description_does_not_tell_unknown_from_expired_used_or_foreign(
    server: AuthServer, client: OAuthClient
) -> None:
    thief = await server.registered()
    code, pkce = await server.code(client)
    told = {
        refused(await thief.redeem(code, pkce.verifier), 400, "invalid_grant"),
        refused(await client.redeem("unknown", pkce.verifier), 400, "invalid_grant"),
        refused(await client.redeem(code, Pkce.new().verifier), 400, "invalid_grant"),
    }
    server.clock.advance(61)
    told.add(refused(await client.redeem(code, pkce.verifier), 400, "invalid_grant"))
    assert len(told) == 1


@requirement("C60")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "Authorization_Code"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code "}, "unsupported_grant_type"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, "unsupported_grant_type"),
        ({"code": ""}, "invalid_request"),
        ({"code_verifier": ""}, "invalid_request"),
    ],
)
async def test_a_faulty_token_request_is_refused_and_the_code_stays_good(
    server: AuthServer, client: OAuthClient, changes: dict[str, str], error: str
) -> None:
    code, pkce = await server.code(client)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": pkce.verifier, **changes}
    refused(await client.post("/oauth/token", form), 400, error)
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


@requirement("O5", "C63")
@pytest.mark.parametrize(
    "name",
    ["grant_type", "code", "code_verifier", "redirect_uri", "client_id", "client_secret", "scope", "foo"],
)
@pytest.mark.parametrize("same", [True, False])
async def test_a_repeated_parameter_is_refused_and_the_code_stays_good(
    server: AuthServer, client: OAuthClient, name: str, same: bool
) -> None:
    code, pkce = await server.code(client)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": pkce.verifier,
        "redirect_uri": REDIRECT_URI,
        "client_id": client.client_id,
        "client_secret": client.client_secret or "",
        "scope": "read",
        "foo": "bar",
    }
    for other_first in (False, True):
        pair = [form[name], form[name] if same else "other"]
        doubled = {**form, name: pair[::-1] if other_first else pair}
        refused(await client.http.post("/oauth/token", data=doubled), 400, "invalid_request")
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


@requirement("O7")
async def test_unknown_parameters_are_ignored(server: AuthServer, client: OAuthClient) -> None:
    code, pkce = await server.code(client)
    assert (await client.redeem(code, pkce.verifier, foo="bar", audience="x")).status_code == 200


@requirement("O15", "D86")
@pytest.mark.parametrize(
    "name", ["client_id", "client_secret", "code", "code_verifier", "refresh_token", "token"]
)
async def test_credentials_in_the_url_are_refused(server: AuthServer, client: OAuthClient, name: str) -> None:
    code, pkce = await server.code(client)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": pkce.verifier,
        "client_id": client.client_id,
        "client_secret": client.client_secret or "",
    }
    response = await client.http.post(f"/oauth/token?{name}={form.get(name, 'x')}", data=form)
    refused(response, 400, "invalid_request")
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


async def test_parameters_in_the_url_alone_are_not_honoured(server: AuthServer, client: OAuthClient) -> None:
    response = await client.http.post(
        "/oauth/token?grant_type=authorization_code", headers={"Content-Type": "application/json"}
    )
    refused(response, 400, "invalid_request")


@requirement("O15")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_the_token_endpoint_takes_post_only(http: httpx.AsyncClient, method: str) -> None:
    response = await http.request(method, "/oauth/token")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@requirement("C64")
async def test_a_json_body_is_as_good_as_a_form(server: AuthServer, client: OAuthClient) -> None:
    code, pkce = await server.code(client)
    body = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": pkce.verifier,
    }
    response = await client.http.post("/oauth/token", json=body)
    assert response.status_code == 200
    refresh = {
        "grant_type": "refresh_token",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "refresh_token": response.json()["refresh_token"],
    }
    assert (await client.http.post("/oauth/token", json=refresh)).status_code == 200


@requirement("C64")
@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("code", ["a"]),
        ("code", {"a": "b"}),
        ("code", 1),
        ("code", True),
        ("code", None),
        ("scope", ["read"]),
        ("foo", 1),
        ("resource", ["https://mcp.test/mcp"]),
    ],
)
async def test_a_json_body_holds_strings_only(
    server: AuthServer, client: OAuthClient, change: str, value: object
) -> None:
    code, pkce = await server.code(client)
    body = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "code": code,
        "code_verifier": pkce.verifier,
    }
    refused(await client.http.post("/oauth/token", json={**body, change: value}), 400, "invalid_request")
    assert (await client.http.post("/oauth/token", json=body)).status_code == 200


@requirement("C64")
@pytest.mark.parametrize("name", ["code", "grant_type", "client_id", "client_secret", "code_verifier", "foo"])
async def test_a_json_body_with_a_duplicate_member_is_refused(
    server: AuthServer, client: OAuthClient, name: str
) -> None:
    code, pkce = await server.code(client)
    body = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "code": code,
        "code_verifier": pkce.verifier,
        "foo": "bar",
    }
    text = json.dumps(body)
    member = f"{json.dumps(name)}: {json.dumps(body[name])}"
    assert member in text
    as_json = {"Content-Type": "application/json"}
    for value in (body[name], "other"):
        doubled = text.replace(member, f"{json.dumps(name)}: {json.dumps(value)}, {member}")
        response = await client.http.post("/oauth/token", content=doubled, headers=as_json)
        refused(response, 400, "invalid_request")
    assert (await client.http.post("/oauth/token", content=text, headers=as_json)).status_code == 200


async def test_the_scope_of_the_tokens_is_what_was_left_ticked(client: OAuthClient, browser: Browser) -> None:
    tokens = await client.tokens(browser, scope="vals:write user:read", untick=["vals:write", "files:write"])
    assert tokens["scope"] == "vals:read user:read"
    assert claims_of(tokens["access_token"])["scope"] == tokens["scope"]


async def test_a_client_that_asks_for_nothing_gets_read(client: OAuthClient, browser: Browser) -> None:
    assert (await client.tokens(browser))["scope"] == "read"


@requirement("C72")
async def test_the_scope_cannot_be_changed_at_the_token_endpoint(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client, scope="user:read")
    tokens = (await client.redeem(code, pkce.verifier, scope="read write email:send")).json()
    assert tokens["scope"] == "user:read"


async def test_tokens_of_two_people_are_of_two_people(server: AuthServer, client: OAuthClient) -> None:
    ada = claims_of((await client.tokens(server.browser()))["access_token"])
    grace = claims_of((await client.tokens(server.browser(GRACE)))["access_token"])
    assert ada["sub"] != grace["sub"]
    assert ada["gid"] != grace["gid"]


async def test_the_life_of_an_access_token_is_a_setting(open_server: OpenServer) -> None:
    async with open_server(oauth_access_token_ttl=300) as server:
        tokens = await (await server.registered()).tokens(server.browser())
        claims = claims_of(tokens["access_token"])
        assert tokens["expires_in"] == 300
        assert claims["exp"] - claims["iat"] == 300


@requirement("O31")
async def test_codes_and_refresh_tokens_cannot_be_guessed(server: AuthServer, client: OAuthClient) -> None:
    browser = server.browser()
    codes, refresh_tokens = set(), set()
    for _ in range(8):
        code, pkce = await server.code(client, browser)
        codes.add(code.rpartition(".")[2])
        refresh_tokens.add((await client.redeem(code, pkce.verifier)).json()["refresh_token"])
    assert len(codes) == len(refresh_tokens) == 8
    # base64url of 32 random bytes, and of more for a refresh token (RFC 6749 section 10.10).
    assert {len(code) for code in codes} == {43}
    assert all(len(token) > 80 for token in refresh_tokens)
