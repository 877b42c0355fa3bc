"""Sign in with Val Town, against the sandbox: the way there, the way back, and what forges it."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from dev.flow import Browser, OAuthClient, Pkce, callback_of, claims_of, forms_of
from shared.credentials import CredentialOwner, CredentialStore, OAuthTokens
from tests.auth_server.answers import guarded, told_to_the_person
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ADA, ISSUER, VAL_TOWN, AuthServer

pytestmark = pytest.mark.anyio

UPSTREAM = f"{VAL_TOWN}/oauth"


@pytest.fixture
async def server(open_server: OpenServer) -> AsyncIterator[AuthServer]:
    async with open_server(val_town_oauth_issuer=UPSTREAM) as opened:
        yield opened


@pytest.fixture
async def sign_in_page(client: OAuthClient, browser: Browser) -> httpx.Response:
    return await browser.open(client.authorize_url(Pkce.new()))


async def leave(browser: Browser, page: httpx.Response) -> str:
    """Press the button; return the address at Val Town."""
    response = await browser.send(page, **{"with": "val-town"})
    assert response.status_code == 303, response.text
    location: str = response.headers["location"]
    assert location.startswith(f"{UPSTREAM}/auth?")
    return location


async def decide(server: AuthServer, address: str, *, account: str = "ada", decision: str = "allow") -> str:
    """Answer Val Town's page as a person does; return where it sends them."""
    async with httpx.AsyncClient(transport=server.val_town) as http:
        response = await http.post(address, data={"account": account, "decision": decision})
        location: str = response.headers["location"]
        return location


async def signed_in(
    server: AuthServer, browser: Browser, page: httpx.Response, **person: str
) -> httpx.Response:
    back = await decide(server, await leave(browser, page), **person)
    assert back.startswith(f"{ISSUER}/oauth/callback/val-town?")
    return await browser.open(back)


def changed(url: str, **changes: str | None) -> str:
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    given = {name: value for name, value in {**query, **changes}.items() if value is not None}
    return f"{url.partition('?')[0]}?{urlencode(given)}"


async def credential_of(server: AuthServer, access_token: str) -> object:
    claims = claims_of(access_token)
    store = CredentialStore(server.redis, server.settings.sealer)
    return await store.read(CredentialOwner(claims["gid"], claims["sub"], claims["client_id"]))


def is_over(response: httpx.Response) -> bool:
    return "over" in told_to_the_person(response, 400)


async def test_a_person_goes_to_val_town_and_back_and_the_app_gets_its_own_connection(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    pkce = Pkce.new()
    page = await browser.open(client.authorize_url(pkce))
    guarded(page)
    assert f"form-action 'self' {VAL_TOWN}" in page.headers["content-security-policy"]
    address = await leave(browser, page)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert asked["resource"] == "https://api.val.town"
    assert asked["redirect_uri"] == f"{ISSUER}/oauth/callback/val-town"
    assert "offline_access" in asked["scope"].split()
    consent = await browser.open(await decide(server, address))
    assert consent.status_code == 200
    callback = await browser.decide(consent)
    tokens = (await client.redeem(callback.parameters["code"], pkce.verifier)).json()
    assert claims_of(tokens["access_token"])["sub"].startswith("ada")
    credential = await credential_of(server, tokens["access_token"])
    assert isinstance(credential, OAuthTokens)
    assert credential.refresh_token
    assert credential.access_token not in page.text + consent.text + str(callback)
    # A refresh token is good for one use, so it serves one app: the next one asks Val Town again.
    again = await browser.open(client.authorize_url(Pkce.new()))
    assert "api_token" in forms_of(again.text)[0].inputs


async def test_two_approvals_in_one_session_never_share_a_refresh_token(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    first = await browser.open(client.authorize_url(Pkce.new()))
    second = await browser.open(client.authorize_url(Pkce.new()))
    consent = await signed_in(server, browser, first)
    other_txn = forms_of(second.text)[0].fields["txn"]
    other = await browser.open(f"{ISSUER}/oauth/consent?txn={other_txn}")
    assert callback_of(await browser.send(consent, decision="approve")).parameters["code"]
    answer = await browser.send(other, decision="approve")
    assert "code=" not in answer.headers.get("location", "")


async def test_pasting_a_token_goes_on_working(client: OAuthClient, browser: Browser) -> None:
    assert "access_token" in await client.tokens(browser)


async def test_replicas_register_once_and_a_vanished_registration_is_made_anew(
    server: AuthServer, open_server: OpenServer, browser: Browser, sign_in_page: httpx.Response
) -> None:
    ids = set()
    async with open_server(val_town_oauth_issuer=UPSTREAM) as replica:
        for each in (server, replica):
            address = await each.app.state.services.val_town_sign_in.leave("h", "b")
            ids |= set(parse_qs(urlsplit(address).query)["client_id"])
    assert len(ids) == 1
    assert await server.redis.delete(
        *[key async for key in server.redis.scan_iter(match="vt:val-town-client:*")]
    )
    address = await leave(browser, sign_in_page)
    assert not ids & set(parse_qs(urlsplit(address).query)["client_id"])


async def test_a_state_is_good_once(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response
) -> None:
    back = await decide(server, await leave(browser, sign_in_page))
    assert (await browser.open(back)).status_code == 200
    assert is_over(await browser.open(back))


async def test_another_browser_cannot_come_back_with_it(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response, client: OAuthClient
) -> None:
    back = await decide(server, await leave(browser, sign_in_page))
    victim = server.browser()
    await victim.open(client.authorize_url(Pkce.new()))
    assert is_over(await victim.open(back))
    assert not any("session" in cookie for cookie in victim.http.cookies)


@pytest.mark.parametrize("iss", [None, "https://evil.test/oauth", f"{UPSTREAM}/", VAL_TOWN])
async def test_an_answer_of_another_issuer_is_not_used(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response, iss: str | None
) -> None:
    back = changed(await decide(server, await leave(browser, sign_in_page)), iss=iss)
    server.val_town.requests.clear()
    assert "did not come from Val Town" in told_to_the_person(await browser.open(back))
    # The code went nowhere.
    assert server.val_town.requests == []


@pytest.mark.parametrize("state", [None, "", "vttx_nothing", "x" * 5000])
async def test_an_unknown_state_is_told_to_the_person(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response, state: str | None
) -> None:
    back = await decide(server, await leave(browser, sign_in_page))
    assert is_over(await browser.open(changed(back, state=state)))


async def test_a_trip_belongs_to_one_browser_and_ten_minutes(server: AuthServer) -> None:
    sign_in = server.app.state.services.val_town_sign_in
    states = [parse_qs(urlsplit(await sign_in.leave("h", "mine")).query)["state"][0] for _ in range(3)]
    assert (await sign_in.trip_of(states[0], "mine")).handle == "h"
    assert await sign_in.trip_of(states[1], "other") is None
    server.clock.advance(601)
    assert await sign_in.trip_of(states[2], "mine") is None


async def test_the_first_registration_counts(server: AuthServer) -> None:
    store = server.app.state.services.val_town_sign_in._store
    assert await store.keep_client("first", "a") == ("first", "a")
    assert await store.keep_client("second", "b") == ("first", "a")
    await store.forget_client("second")
    assert await store.client() == ("first", "a")
    await store.forget_client("first")
    assert await store.client() is None


async def test_a_repeated_parameter_is_not_taken(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response
) -> None:
    back = await decide(server, await leave(browser, sign_in_page))
    assert is_over(await browser.open(f"{back}&code=other"))


async def test_a_trip_is_over_after_ten_minutes(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response
) -> None:
    back = await decide(server, await leave(browser, sign_in_page))
    server.clock.advance(601)
    assert is_over(await browser.open(back))


async def test_refusing_there_is_explained_here_and_the_request_waits(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response
) -> None:
    refused = await signed_in(server, browser, sign_in_page, decision="deny")
    assert "not signed in" in told_to_the_person(refused)
    page = await browser.open(str(sign_in_page.url))
    assert (await signed_in(server, browser, page)).status_code == 200


async def test_a_wrong_code_is_explained(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response
) -> None:
    back = changed(await decide(server, await leave(browser, sign_in_page)), code="wrong")
    assert "not signed in" in told_to_the_person(await browser.open(back))


async def test_val_town_away_is_503_before_and_after_and_nothing_is_lost(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response
) -> None:
    def away(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(503)

    server.val_town.fault = away
    told_to_the_person(await browser.send(sign_in_page, **{"with": "val-town"}), 503)
    server.val_town.fault = None
    back = await decide(server, await leave(browser, sign_in_page))
    server.val_town.fault = away
    answer = await browser.open(back)
    assert answer.headers["retry-after"]
    told_to_the_person(answer, 503)
    server.val_town.fault = None
    page = await browser.open(str(sign_in_page.url))
    assert (await signed_in(server, browser, page)).status_code == 200


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.test/oauth"},
        {"token_endpoint": "https://evil.test/token"},
        {"authorization_endpoint": "https://evil.test/auth"},
        {"code_challenge_methods_supported": ["plain"]},
        {"token_endpoint": None},
        {"registration_endpoint": 7},
    ],
    ids=str,
)
async def test_metadata_that_lead_elsewhere_are_not_followed(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response, metadata: dict[str, object]
) -> None:
    good = {
        "issuer": UPSTREAM,
        "authorization_endpoint": f"{UPSTREAM}/auth",
        "token_endpoint": f"{UPSTREAM}/token",
        "registration_endpoint": f"{UPSTREAM}/reg",
        "code_challenge_methods_supported": ["S256"],
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if "/.well-known/" in request.url.path:
            return httpx.Response(200, json={**good, **metadata})
        return httpx.Response(201, json={"client_id": "c", "client_secret": "s"})

    server.val_town.fault = answer
    told_to_the_person(await browser.send(sign_in_page, **{"with": "val-town"}), 503)


async def test_who_is_not_admitted_is_told_so(open_server: OpenServer) -> None:
    async with open_server(val_town_oauth_issuer=UPSTREAM, oauth_allowed_users="ada") as server:
        client = await server.registered()
        browser = server.browser()
        page = await browser.open(client.authorize_url(Pkce.new()))
        refused = await signed_in(server, browser, page, account="grace")
        assert "not open to your" in told_to_the_person(refused, 403)
        page = await browser.open(str(page.url))
        assert (await signed_in(server, browser, page, account="ada")).status_code == 200


async def test_where_it_is_not_set_up_there_is_no_button_and_no_callback(open_server: OpenServer) -> None:
    for changes in ({}, {"val_town_oauth_issuer": UPSTREAM, "val_town_api_token": ADA}):
        async with open_server(**changes) as server:
            client = await server.registered()
            browser = server.browser()
            page = await browser.open(client.authorize_url(Pkce.new(), prompt="consent"))
            assert ("with", "val-town") not in forms_of(page.text)[0].buttons
            assert "form-action 'self';" in page.headers["content-security-policy"]
            await browser.send(page, **{"with": "val-town"})
            told_to_the_person(await browser.open(f"{ISSUER}/oauth/callback/val-town?code=c&state=s"), 404)


async def test_no_secret_of_it_is_at_rest_in_the_clear(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response
) -> None:
    address = await leave(browser, sign_in_page)
    asked = parse_qs(urlsplit(address).query)
    txn = forms_of(sign_in_page.text)[0].fields["txn"]
    for key in [key async for key in server.redis.scan_iter()]:
        value: object = None
        match await server.redis.type(key):
            case "hash":
                value = await server.redis.hgetall(key)
            case "list":
                value = await server.redis.lrange(key, 0, -1)
            case _:
                value = await server.redis.get(key)
        assert asked["state"][0] not in f"{key} {value}"
        assert txn not in f"{key} {value}"
