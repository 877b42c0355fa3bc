"""Limits: what is wrong too often is answered 429, and never keeps out whoever has the right secret."""

import asyncio
import itertools

import httpx
import pytest

from auth_server.domain.limits import REFUSED_SIGN_INS, SIGN_IN_ATTEMPTS, WRONG_SECRETS
from dev.flow import Browser, OAuthClient, Pkce, forms_of
from tests.auth_server.answers import guarded, refused, told_to_the_person
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ADA, REDIRECT_URI, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

UNKNOWN_REFRESH = {"grant_type": "refresh_token", "refresh_token": "unknown"}
REGISTRATIONS = "vt:limit:registration:"
WRONG_TOKEN = "vtwn_sandbox_nobody"


def limited(response: httpx.Response) -> int:
    """Check that a response is a JSON 429; return the seconds to wait."""
    refused(response, 429, "temporarily_unavailable")
    seconds = int(response.headers["retry-after"])
    assert 1 <= seconds <= 3600
    return seconds


async def buckets(server: AuthServer) -> list[str]:
    """Return the buckets of one client, grant or page; the one of all registrations is not among them."""
    keys = [key async for key in server.redis.scan_iter(match="vt:limit:*")]
    return [key for key in keys if key != REGISTRATIONS]


async def register(http: httpx.AsyncClient, **metadata: object) -> httpx.Response:
    return await http.post("/oauth/register", json={"redirect_uris": [REDIRECT_URI], **metadata})


# New clients


@requirement("D4", "G134")
async def test_a_flood_of_registrations_is_limited_and_goes_on_when_the_bucket_fills(
    open_server: OpenServer,
) -> None:
    async with open_server(oauth_registration_burst=10, oauth_registrations_per_hour=60) as server:
        http = server.visitor()
        client = await server.registered()
        answers = [await register(http) for _ in range(1000)]
        assert [answer.status_code for answer in answers] == [201] * 9 + [429] * 991
        assert 50 <= limited(answers[-1]) <= 60
        assert len([key async for key in server.redis.scan_iter(match="vt:client:*")]) == 10
        # Those that are registered notice nothing.
        assert "access_token" in await client.tokens(server.browser())
        server.clock.advance(61)
        assert [(await register(http)).status_code for _ in range(2)] == [201, 429]
        server.clock.advance(3600)
        assert [(await register(http)).status_code for _ in range(11)] == [201] * 10 + [429]


@requirement("G134")
async def test_the_bucket_is_one_for_all_replicas(open_server: OpenServer) -> None:
    limits = {"oauth_registration_burst": 10, "oauth_registrations_per_hour": 1}
    async with open_server(**limits) as one, open_server(**limits) as two:
        visitors = itertools.cycle((one.visitor(), two.visitor()))
        answers = [await register(next(visitors)) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [201] * 10 + [429] * 2


@requirement("G134")
async def test_large_registrations_take_more_of_the_bucket(open_server: OpenServer) -> None:
    uris = [f"https://client.example.com/{number}/".ljust(300, "x") for number in range(20)]
    async with open_server(oauth_registration_burst=10, oauth_registrations_per_hour=10) as server:
        http = server.visitor()
        assert (await register(http, redirect_uris=uris)).status_code == 201
        limited(await register(http, redirect_uris=uris))
        assert (await register(http)).status_code == 201


async def test_registrations_that_are_refused_take_nothing_of_the_bucket(open_server: OpenServer) -> None:
    async with open_server(oauth_registration_burst=10, oauth_registrations_per_hour=1) as server:
        http = server.visitor()
        for _ in range(20):
            refused(await register(http, redirect_uris=[]), 400, "invalid_redirect_uri")
        assert (await register(http)).status_code == 201


@requirement("G134")
async def test_a_bucket_is_one_key_that_goes_when_it_is_full_again(open_server: OpenServer) -> None:
    async with open_server(oauth_registration_burst=600, oauth_registrations_per_hour=900) as server:
        http = server.visitor()
        for _ in range(5):
            await register(http)
        assert 15_000 < await server.redis.pttl(REGISTRATIONS) <= 20_000


# Client secrets


@requirement("O19")
async def test_fifty_wrong_secrets_are_limited_and_the_right_one_still_passes(
    server: AuthServer, client: OAuthClient
) -> None:
    wrong = {**UNKNOWN_REFRESH, "client_secret": "wrong"}
    answers = [await client.post("/oauth/token", wrong) for _ in range(50)]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [401] * WRONG_SECRETS.burst + [429] * (50 - WRONG_SECRETS.burst)
    limited(answers[-1])
    limited(await client.post("/oauth/revoke", {"token": "x", "client_secret": "wrong"}))
    # Neither the owner nor another client is kept out.
    assert "access_token" in await client.tokens(server.browser())
    other = await server.registered()
    refused(await other.post("/oauth/token", wrong), 401, "invalid_client")
    server.clock.advance(4)
    refused(await client.post("/oauth/token", wrong), 401, "invalid_client")
    limited(await client.post("/oauth/token", wrong))


async def test_clients_that_do_not_exist_leave_no_bucket(server: AuthServer, http: httpx.AsyncClient) -> None:
    for number in range(30):
        form = {**UNKNOWN_REFRESH, "client_id": f"client_{number}", "client_secret": "wrong"}
        refused(await http.post("/oauth/token", data=form), 401, "invalid_client")
        path = f"/oauth/register/client_{number}"
        refused(await http.get(path, headers={"Authorization": "Bearer wrong"}), 401, "invalid_token")
    assert await buckets(server) == []


# Registration access tokens


@requirement("G135")
async def test_wrong_registration_tokens_are_limited_and_the_right_one_still_passes(
    server: AuthServer,
) -> None:
    client = server.client()
    registered = await client.register()
    path, http = f"/oauth/register/{client.client_id}", client.http
    wrong = {"Authorization": "Bearer wrong"}
    statuses = [(await http.get(path, headers=wrong)).status_code for _ in range(30)]
    assert statuses == [401] * 20 + [429] * 10
    limited(await http.get(path, headers=wrong))
    right = {"Authorization": f"Bearer {registered['registration_access_token']}"}
    assert (await http.get(path, headers=right)).status_code == 200


# Codes


@requirement("B50")
async def test_a_hundred_wrong_verifiers_are_limited_and_do_not_cost_the_owner_the_code(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    answers = [await client.redeem(code, Pkce.new().verifier) for _ in range(100)]
    assert [answer.status_code for answer in answers] == [400] * 20 + [429] * 80
    limited(answers[-1])
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


async def test_a_used_code_is_refused_and_never_too_often(server: AuthServer, client: OAuthClient) -> None:
    code, pkce = await server.code(client)
    assert (await client.redeem(code, pkce.verifier)).status_code == 200
    for _ in range(30):
        refused(await client.redeem(code, pkce.verifier), 400, "invalid_grant")


async def test_wrong_redemptions_of_one_grant_do_not_limit_another(
    server: AuthServer, client: OAuthClient
) -> None:
    attacked, _ = await server.code(client)
    for _ in range(25):
        await client.redeem(attacked, Pkce.new().verifier)
    code, pkce = await server.code(client)
    refused(await client.redeem(code, Pkce.new().verifier), 400, "invalid_grant")
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


async def test_codes_of_no_grant_leave_no_bucket(server: AuthServer, client: OAuthClient) -> None:
    for number in range(30):
        code = f"vtac_{number:022}.secret"
        refused(await client.redeem(code, Pkce.new().verifier), 400, "invalid_grant")
    assert await buckets(server) == []


# Sign-in


async def sign_in_page(browser: Browser, client: OAuthClient) -> httpx.Response:
    return await browser.open(client.authorize_url(Pkce.new()))


@requirement("K224", "L235")
async def test_a_sign_in_page_takes_ten_tokens_and_a_new_page_works(
    server: AuthServer, client: OAuthClient
) -> None:
    browser = server.browser()
    page = await sign_in_page(browser, client)
    for _ in range(SIGN_IN_ATTEMPTS.burst):
        told_to_the_person(await browser.send(page, api_token=WRONG_TOKEN), 400)
    asked = len(server.val_town.requests)
    # The right token too: this page tells nobody any more which tokens are good, and Val Town is not asked.
    for token in (WRONG_TOKEN, ADA):
        answer = await browser.send(page, api_token=token)
        told_to_the_person(answer, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert len(server.val_town.requests) == asked
    again = await browser.sign_in(await sign_in_page(browser, client))
    assert ("decision", "approve") in forms_of(again.text)[0].buttons
    assert [key async for key in server.redis.scan_iter(match="vt:session:*")] != []


@requirement("K224")
async def test_of_many_tokens_at_once_a_page_passes_ten_to_val_town(
    server: AuthServer, client: OAuthClient
) -> None:
    browser = server.browser()
    page = await sign_in_page(browser, client)
    await browser.send(page, api_token=WRONG_TOKEN)
    for _ in range(4):
        await asyncio.gather(*(browser.send(page, api_token=WRONG_TOKEN) for _ in range(8)))
    assert len(server.val_town.requests) == SIGN_IN_ATTEMPTS.burst


@requirement("K224", "L235")
async def test_refused_tokens_of_one_app_are_limited_and_the_right_one_passes(
    server: AuthServer, client: OAuthClient
) -> None:
    for attempt in range(REFUSED_SIGN_INS.burst):
        if attempt % SIGN_IN_ATTEMPTS.burst == 0:
            stranger = server.browser()
            page = await sign_in_page(stranger, client)
        told_to_the_person(await stranger.send(page, api_token=WRONG_TOKEN), 400)
    stranger = server.browser()
    over = await stranger.send(await sign_in_page(stranger, client), api_token=WRONG_TOKEN)
    told_to_the_person(over, 429)
    assert "retry-after" in over.headers
    guarded(over)
    # Nobody can keep people out of an app: the right token on a new page works.
    assert "access_token" in await client.tokens(server.browser())
    # And other apps are not concerned.
    stranger = server.browser()
    other = await sign_in_page(stranger, await server.registered())
    told_to_the_person(await stranger.send(other, api_token=WRONG_TOKEN), 400)


# The store


async def test_where_nothing_can_be_counted_what_is_wrong_is_503_and_what_is_right_passes(
    server: AuthServer, client: OAuthClient
) -> None:
    tokens = await client.tokens(server.browser())
    await server.redis.config_set("maxmemory", 1)
    try:
        wrong = await client.post("/oauth/revoke", {"token": "x", "client_secret": "wrong"})
        refused(wrong, 503, "temporarily_unavailable")
        # What takes rights away never fails because the store is full.
        assert (await client.revoke(tokens["refresh_token"])).status_code == 200
        assert await server.is_denied(tokens)
    finally:
        await server.redis.config_set("maxmemory", 0)


async def test_a_client_is_removed_from_a_store_that_is_full(server: AuthServer) -> None:
    client = server.client()
    registered = await client.register()
    tokens = await client.tokens(server.browser())
    headers = {"Authorization": f"Bearer {registered['registration_access_token']}"}
    await server.redis.config_set("maxmemory", 1)
    try:
        url = registered["registration_client_uri"]
        assert (await client.http.delete(url, headers=headers)).status_code == 204
        assert await server.is_denied(tokens)
    finally:
        await server.redis.config_set("maxmemory", 0)
