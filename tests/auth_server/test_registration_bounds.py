"""What anybody may leave here without signing in is bounded: how much, and for how long."""

from typing import Any

import httpx
import pytest

from dev.flow import OAuthClient, Pkce, callback_of
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import REDIRECT_URI, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

DAY = 86_400


async def life_of(server: AuthServer, client: OAuthClient) -> int:
    """Return for how many seconds a registration is kept."""
    seconds: int = await server.redis.ttl(f"vt:client:{client.client_id}")
    return seconds


async def register(http: httpx.AsyncClient, **metadata: Any) -> httpx.Response:
    return await http.post("/oauth/register", json={"redirect_uris": [REDIRECT_URI], **metadata})


async def test_a_registration_that_was_never_used_is_kept_for_a_week(server: AuthServer) -> None:
    client, browser = await server.registered(), server.browser()
    assert 7 * DAY - 10 < await life_of(server, client) <= 7 * DAY
    # Neither a request nor a code is a use: both can be had without keeping anything.
    await browser.open(client.authorize_url(Pkce.new()))
    await server.code(client, browser)
    assert await life_of(server, client) <= 7 * DAY


async def test_a_client_that_got_a_token_is_kept_beyond_its_grants(open_server: OpenServer) -> None:
    idle = 200 * DAY
    async with open_server(oauth_refresh_token_ttl=idle) as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        assert await life_of(server, client) > idle + DAY
        await server.redis.expire(f"vt:client:{client.client_id}", DAY)
        assert (await client.refresh(tokens["refresh_token"])).status_code == 200
        assert await life_of(server, client) > idle + DAY


def uris_of(characters: int) -> list[str]:
    """Return twenty redirect URIs of so many characters altogether."""
    each = characters // 20
    return [f"https://client.example.com/{number:02}/".ljust(each, "x") for number in range(20)]


async def test_metadata_beyond_8_kib_altogether_are_refused(
    server: AuthServer, http: httpx.AsyncClient
) -> None:
    # Each within its own bound.
    too_much = await register(http, redirect_uris=uris_of(8200))
    refused(too_much, 400, "invalid_client_metadata")
    spread = {name: "https://client.example.com/".ljust(1900, "x") for name in ("client_uri", "logo_uri")}
    refused(await register(http, redirect_uris=uris_of(4500), **spread), 400, "invalid_client_metadata")
    assert [key async for key in server.redis.scan_iter(match="vt:client:*")] == []
    assert (await register(http, redirect_uris=uris_of(7000))).status_code == 201
    assert (await register(http, redirect_uris=uris_of(2500), **spread)).status_code == 201


@pytest.mark.parametrize(("length", "good"), [(2048, True), (2049, False)])
async def test_the_bound_of_the_state_is_one_of_bytes_and_told_to_the_client(
    http: httpx.AsyncClient, client: OAuthClient, length: int, good: bool
) -> None:
    response = await http.get(client.authorize_url(Pkce.new(), state="é" * length))
    if good:
        assert response.headers["location"].startswith("/oauth/sign-in?")
    else:
        callback = callback_of(response)
        assert callback.url.startswith(REDIRECT_URI)
        assert callback.parameters["error"] == "invalid_request"


async def test_a_client_that_is_about_to_expire_is_kept_for_a_code_that_was_just_approved(
    server: AuthServer,
) -> None:
    client = await server.registered()
    key = f"vt:client:{client.client_id}"
    await server.redis.expire(key, 30)
    code, pkce = await server.code(client)
    # The code lives for a minute.
    assert await server.redis.ttl(key) > 120
    assert (await client.redeem(code, pkce.verifier)).status_code == 200
    assert await life_of(server, client) > server.settings.oauth_refresh_token_ttl


async def test_a_request_that_nobody_approved_keeps_no_client(server: AuthServer) -> None:
    client, browser = await server.registered(), server.browser()
    await server.redis.expire(f"vt:client:{client.client_id}", 30)
    await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
    assert await life_of(server, client) <= 30


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
async def test_no_use_of_a_client_brings_its_end_nearer(server: AuthServer, method: str) -> None:
    client = await server.registered(token_endpoint_auth_method=method)
    key = f"vt:client:{client.client_id}"
    await server.redis.expire(key, 1000 * DAY)
    tokens = await client.tokens(server.browser())
    await client.refresh(tokens["refresh_token"])
    await client.register(token_endpoint_auth_method=method)
    assert await server.redis.ttl(key) > 999 * DAY


@requirement("G134")
async def test_a_client_outlives_every_grant_it_may_hold(open_server: OpenServer) -> None:
    # The longest that a refresh token may lie unused is the longest that a live grant sends no word.
    async with open_server(oauth_refresh_token_ttl=300 * DAY, oauth_grant_ttl=400 * DAY) as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        (grant,) = [key async for key in server.redis.scan_iter(match="vt:*:grant")]
        assert await life_of(server, client) > await server.redis.ttl(grant)
        tokens = (await client.refresh(tokens["refresh_token"])).json()
        server.clock.advance(299 * DAY)
        assert (await client.refresh(tokens["refresh_token"])).status_code == 200
        assert await life_of(server, client) > await server.redis.ttl(grant)
