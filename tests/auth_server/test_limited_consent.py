"""A person keeps an app to chosen vals: on the consent page, in the grant and in its tokens (RFC 9396)."""

from typing import Any

import httpx
import pytest

from dev.flow import Browser, OAuthClient, Pkce, callback_of, claims_of, forms_of
from shared.oauth.authorization_details import MAX_VALS
from tests.auth_server.answers import told_to_the_person
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ADA, AuthServer

pytestmark = pytest.mark.anyio


async def consent_page(
    client: OAuthClient, browser: Browser, **parameters: str
) -> tuple[httpx.Response, Pkce]:
    pkce = Pkce.new()
    page = await browser.open(client.authorize_url(pkce, **parameters))
    return await browser.sign_in(page), pkce


async def tokens_for(
    client: OAuthClient, browser: Browser, page: httpx.Response, pkce: Pkce, **fields: str
) -> dict[str, Any]:
    callback = callback_of(await browser.send(page, decision="approve", **fields))
    response = await client.redeem(callback.parameters["code"], pkce.verifier)
    issued: dict[str, Any] = response.json()
    return issued


def boxes(page: httpx.Response) -> list[str]:
    """Return the ids of the vals that the page offers."""
    return sorted(
        name.removeprefix("val.") for name in forms_of(page.text)[0].inputs if name.startswith("val.")
    )


def limit_of(access_token: str) -> list[str]:
    (details,) = claims_of(access_token)["authorization_details"]
    assert details["type"] == "val_town_vals"
    vals: list[str] = details["vals"]
    return vals


async def test_nothing_is_limited_unless_the_person_says_so(
    client: OAuthClient, browser: Browser, server: AuthServer
) -> None:
    page, pkce = await consent_page(client, browser)
    offered = boxes(page)
    assert len(offered) >= 2
    assert "limit" not in forms_of(page.text)[0].fields
    # A box that was ticked before the limit was taken back does not count.
    issued = await tokens_for(client, browser, page, pkce, **{f"val.{offered[0]}": "on"})
    assert "authorization_details" not in issued
    assert "authorization_details" not in claims_of(issued["access_token"])
    (grant,) = await server.app.state.services.grants.of_user(claims_of(issued["access_token"])["sub"])
    assert grant.vals == ()


async def test_the_limit_is_in_every_token_and_answer_of_the_grant(
    client: OAuthClient, browser: Browser, server: AuthServer
) -> None:
    page, pkce = await consent_page(client, browser)
    chosen = boxes(page)[:2]
    ticks = {f"val.{val_id}": "on" for val_id in chosen}
    issued = await tokens_for(client, browser, page, pkce, limit="on", **ticks)
    assert limit_of(issued["access_token"]) == chosen
    assert issued["authorization_details"] == [{"type": "val_town_vals", "vals": chosen}]
    refreshed = (await client.refresh(issued["refresh_token"])).json()
    assert limit_of(refreshed["access_token"]) == chosen
    assert refreshed["authorization_details"] == issued["authorization_details"]
    narrower = (await client.refresh(refreshed["refresh_token"], scope="files:read")).json()
    assert limit_of(narrower["access_token"]) == chosen
    for token in (narrower["access_token"], narrower["refresh_token"]):
        told = (await client.introspect(token)).json()
        assert told["active"] is True
        assert told["authorization_details"] == issued["authorization_details"]
    (grant,) = await server.app.state.services.grants.of_user(claims_of(issued["access_token"])["sub"])
    assert list(grant.vals) == chosen


async def test_vals_are_also_named_in_words(client: OAuthClient, browser: Browser) -> None:
    page, pkce = await consent_page(client, browser)
    one = boxes(page)[0]
    fields = {"limit": "on", "more_vals": "grace/counter, @ada/hello-http", f"val.{one}": "on"}
    issued = await tokens_for(client, browser, page, pkce, **fields)
    assert len(limit_of(issued["access_token"])) in (2, 3)
    assert one in limit_of(issued["access_token"])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("", "Choose at least one val"),
        ("ada/nothing-here", "no val ada/nothing-here"),
        ("grace/private-thing", "no val grace/private-thing"),
        ("hello-http", "owner/name"),
        ("ada/../hello-http", "owner/name"),
        ("ada/<script>", "owner/name"),
        (" ".join(f"ada/x{number}" for number in range(11)), "at most 10"),
    ],
)
async def test_a_limit_that_cannot_be_taken_is_said_and_nothing_is_lost(
    client: OAuthClient, browser: Browser, names: str, said: str
) -> None:
    page, pkce = await consent_page(client, browser)
    fields = {"limit": "on", "more_vals": names, "val.not-an-id": "on", "decision": "approve"}
    unticked = {
        name: value for name, value in forms_of(page.text)[0].fields.items() if name != "scope.blobs:read"
    }
    again = await browser.http.post("/oauth/consent", data={**unticked, **fields})
    text = told_to_the_person(again)
    assert said in text
    assert "<script>" not in text
    # What was filled in is still there, and the request can still be answered.
    form = forms_of(text)[0]
    assert form.fields["limit"] == "on"
    assert form.fields["more_vals"] == names
    assert "scope.vals:read" in form.fields
    assert "scope.blobs:read" not in form.fields
    issued = await tokens_for(client, browser, again, pkce, more_vals="ada/hello-http")
    assert len(limit_of(issued["access_token"])) == 1
    assert "blobs:read" not in issued["scope"].split()


async def test_too_many_vals_are_refused(client: OAuthClient, browser: Browser) -> None:
    page, _ = await consent_page(client, browser)
    ticks = {f"val.00000000-0000-4000-8000-{number:012}": "on" for number in range(MAX_VALS + 1)}
    answer = await browser.send(page, decision="approve", limit="on", **ticks)
    assert f"at most {MAX_VALS}" in told_to_the_person(answer)


async def test_val_town_being_away_stops_nobody_who_limits_nothing(
    client: OAuthClient, browser: Browser, server: AuthServer
) -> None:
    page = await browser.open(client.authorize_url(pkce := Pkce.new()))
    page = await browser.submit(page, api_token=ADA)
    server.val_town.fault = lambda _request: httpx.Response(503)
    page = await browser.http.get(page.url)
    assert page.status_code == 200
    assert boxes(page) == []
    named = await browser.send(page, decision="approve", limit="on", more_vals="ada/hello-http")
    told_to_the_person(named, 503)
    issued = await tokens_for(client, browser, page, pkce)
    assert "authorization_details" not in issued


async def test_who_asks_for_nothing_of_vals_cannot_be_limited(client: OAuthClient, browser: Browser) -> None:
    page, _ = await consent_page(client, browser, scope="blobs:read user:read")
    assert boxes(page) == []
    assert "limit" not in forms_of(page.text)[0].inputs


async def test_in_owner_mode_the_servers_own_token_lists_the_vals(open_server: OpenServer) -> None:
    async with open_server(val_town_api_token=ADA) as server:
        client = await server.registered()
        browser = server.browser()
        page, pkce = await consent_page(client, browser)
        chosen = boxes(page)[0]
        fields = {"limit": "on", f"val.{chosen}": "on"}
        issued = await tokens_for(client, browser, page, pkce, **fields)
        assert limit_of(issued["access_token"]) == [chosen]
