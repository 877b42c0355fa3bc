"""Identical registrations without a secret get the same client: registering over and over leaves no trace.

A program on a person's computer registers at every start, with another loopback port (RFC 8252 section 7.3).
"""

import asyncio
from typing import Any

import httpx
import pytest

from dev.flow import Pkce
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

DAY = 86_400
LOOPBACK = "http://127.0.0.1:{port}/callback"


async def register(http: httpx.AsyncClient, port: int = 4000, **changes: Any) -> dict[str, Any]:
    """Return the response to a registration of a program on a person's computer."""
    metadata = {
        "redirect_uris": [LOOPBACK.format(port=port)],
        "client_name": "A Program",
        "token_endpoint_auth_method": "none",
        **changes,
    }
    response = await http.post("/oauth/register", json=metadata)
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def clients_in(server: AuthServer) -> set[str]:
    return {key async for key in server.redis.scan_iter(match="vt:client:*")}


async def test_identical_registrations_get_the_same_client_whatever_the_port(
    server: AuthServer, http: httpx.AsyncClient
) -> None:
    first = await register(http, 4000)
    server.clock.advance(100)
    second = await register(http, 5000)
    assert second["client_id"] == first["client_id"]
    assert second["client_id_issued_at"] == first["client_id_issued_at"]
    # Each hears of the port it asked for.
    assert first["redirect_uris"] == [LOOPBACK.format(port=4000)]
    assert second["redirect_uris"] == [LOOPBACK.format(port=5000)]
    assert len(await clients_in(server)) == 1


async def test_a_shared_client_works_for_everybody_who_shares_it(server: AuthServer) -> None:
    metadata = {"token_endpoint_auth_method": "none", "client_name": "A Program"}
    first = await server.registered(LOOPBACK.format(port=4000), **metadata)
    second = await server.registered(LOOPBACK.format(port=5000), **metadata)
    assert first.client_id == second.client_id
    for client in (first, second):
        callback = await server.browser().approve(client.authorize_url(Pkce.new()))
        assert callback.url.startswith(client.redirect_uri)
        assert "refresh_token" in await client.tokens(server.browser())


@pytest.mark.parametrize(
    "changes",
    [
        {"client_name": "Another Program"},
        {"redirect_uris": ["http://127.0.0.1:4000/other"]},
        {"redirect_uris": ["http://localhost:4000/callback"]},
        {"redirect_uris": [LOOPBACK.format(port=4000), "https://client.example.com/callback"]},
        {"scope": "read"},
        {"grant_types": ["authorization_code"]},
        {"logo_uri": "https://client.example.com/logo.png"},
        {"software_version": "2"},
    ],
)
async def test_whoever_differs_in_anything_else_gets_a_client_of_its_own(
    http: httpx.AsyncClient, changes: dict[str, Any]
) -> None:
    first = await register(http)
    assert (await register(http, **changes))["client_id"] != first["client_id"]
    assert (await register(http))["client_id"] == first["client_id"]


async def test_the_port_of_an_https_uri_does_matter(http: httpx.AsyncClient) -> None:
    ids = set()
    for port in (4000, 5000):
        uri = f"https://client.example.com:{port}/callback"
        ids.add((await register(http, redirect_uris=[uri]))["client_id"])
    assert len(ids) == 2


async def test_the_order_of_lists_does_not_matter(http: httpx.AsyncClient) -> None:
    uris = [LOOPBACK.format(port=4000), "http://localhost:4000/callback"]
    first = await register(http, redirect_uris=uris, scope="vals:read blobs:read")
    second = await register(http, redirect_uris=uris[::-1], scope="blobs:read vals:read")
    assert first["client_id"] == second["client_id"]


async def test_clients_with_a_secret_are_never_shared(http: httpx.AsyncClient) -> None:
    answers = [await register(http, token_endpoint_auth_method="client_secret_post") for _ in range(2)]
    assert answers[0]["client_id"] != answers[1]["client_id"]
    assert answers[0]["client_secret"] != answers[1]["client_secret"]


async def test_of_many_identical_registrations_at_once_one_client_is_left(
    server: AuthServer, http: httpx.AsyncClient
) -> None:
    # Every connection to the store is open before, or the first registration would be over before the second.
    await asyncio.gather(*(register(http, client_name=f"Warm {number}") for number in range(8)))
    for round_ in range(10):
        before = await clients_in(server)
        name = f"A Program {round_}"
        answers = await asyncio.gather(*(register(http, 4000 + n, client_name=name) for n in range(8)))
        (client_id,) = {answer["client_id"] for answer in answers}
        assert await clients_in(server) - before == {f"vt:client:{client_id}"}


async def test_a_registration_that_is_gone_is_not_handed_out(
    server: AuthServer, http: httpx.AsyncClient
) -> None:
    first = await register(http)
    await server.redis.delete(f"vt:client:{first['client_id']}")
    second = await register(http)
    assert second["client_id"] != first["client_id"]
    assert (await register(http))["client_id"] == second["client_id"]


@requirement("G134")
async def test_sharing_keeps_no_client_alive_and_hands_out_none_that_is_nearly_over(
    server: AuthServer, http: httpx.AsyncClient
) -> None:
    first = (await register(http))["client_id"]
    key = f"vt:client:{first}"
    await server.redis.expire(key, 3 * DAY)
    assert (await register(http))["client_id"] == first
    assert await server.redis.ttl(key) <= 3 * DAY
    await server.redis.expire(key, DAY // 2)
    second = (await register(http))["client_id"]
    assert second != first
    assert (await register(http))["client_id"] == second
    # What lives longer because it is in use is shared, and not cut short.
    await server.redis.expire(f"vt:client:{second}", 100 * DAY)
    assert (await register(http))["client_id"] == second
    assert await server.redis.ttl(f"vt:client:{second}") > 99 * DAY


async def test_the_client_of_a_program_in_use_is_found_again_long_after(server: AuthServer) -> None:
    metadata = {"token_endpoint_auth_method": "none", "client_name": "A Program"}
    client = await server.registered(LOOPBACK.format(port=4000), **metadata)
    await client.tokens(server.browser())
    index = [key async for key in server.redis.scan_iter(match="vt:registration:*")]
    assert len(index) == 1
    # Both live equally long, so that the index does not lead to a second client while the first is in use.
    life = await server.redis.ttl(f"vt:client:{client.client_id}")
    assert abs(await server.redis.ttl(index[0]) - life) < 5


async def test_sharing_is_free_and_goes_on_when_no_new_client_may_register(open_server: OpenServer) -> None:
    async with open_server(oauth_registration_burst=10, oauth_registrations_per_hour=1) as server:
        http = server.visitor()
        first = await register(http)
        for number in range(9):
            await register(http, client_name=f"Program {number}")
        over = await http.post(
            "/oauth/register",
            json={"redirect_uris": [LOOPBACK.format(port=1)], "client_name": "One too many"},
        )
        refused(over, 429, "temporarily_unavailable")
        for port in range(5000, 5020):
            assert (await register(http, port))["client_id"] == first["client_id"]
