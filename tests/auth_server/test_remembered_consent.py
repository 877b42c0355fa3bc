"""A person lets their consent count again: for the same request of the same app, until they take it back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import exceptions
from redis.asyncio import Redis

from auth_server.domain.approval import Approval
from auth_server.store.redis.consents import RedisConsentStore
from dev.flow import Browser, Callback, OAuthClient, Pkce, callback_of, claims_of, forms_of
from tests.auth_server.answers import told_to_the_person
from tests.auth_server.deployment import ADA, GRACE, ISSUER, OTHER_RESOURCE, RESOURCE, AuthServer
from tests.requirements import requirement
from tests.support.operator import Operator

pytestmark = pytest.mark.anyio

Tokens = dict[str, Any]
SCOPE = "vals:write blobs:read"


async def consent_page(
    client: OAuthClient, browser: Browser, pkce: Pkce, **asked: str | None
) -> httpx.Response:
    return await browser.sign_in(await browser.open(client.authorize_url(pkce, **{"scope": SCOPE, **asked})))


async def connect(
    client: OAuthClient, browser: Browser, *, remember: bool = True, asked: Mapping[str, str] | None = None
) -> Tokens:
    """Approve on the page, and let it count again; return the tokens."""
    pkce = Pkce.new()
    page = await consent_page(client, browser, pkce, **(asked or {}))
    fields = {"remember": "on"} if remember else {}
    callback = callback_of(await browser.send(page, decision="approve", **fields))
    return redeemed(await client.redeem(callback.parameters["code"], pkce.verifier))


def redeemed(response: httpx.Response) -> Tokens:
    assert response.status_code == 200, response.text
    return dict(response.json())


async def connect_again(client: OAuthClient, browser: Browser, **asked: str | None) -> Tokens | None:
    """Begin anew; return the tokens when no page came between, None when the person is asked."""
    pkce = Pkce.new()
    answer = await browser.open(client.authorize_url(pkce, **{"scope": SCOPE, **asked}))
    if "location" not in answer.headers:
        assert ("decision", "approve") in forms_of(answer.text)[0].buttons, answer.text
        return None
    callback = callback_of(answer)
    assert callback.url.startswith(asked.get("redirect_uri") or client.redirect_uri)
    assert callback.parameters["iss"] == ISSUER
    assert callback.parameters["state"] == "state-of-the-client"
    return redeemed(await client.redeem(callback.parameters["code"], pkce.verifier))


async def post_account(browser: Browser, path: str, **fields: str) -> None:
    page = await browser.open(f"{ISSUER}/account")
    form = next(form for form in forms_of(page.text) if form.action.endswith(path))
    answer = await browser.http.post(path, data={**form.fields, **fields})
    assert answer.status_code == 303, answer.text


@requirement("K219")
async def test_the_same_request_goes_through_and_gets_what_was_left_ticked(
    client: OAuthClient, browser: Browser
) -> None:
    page = await consent_page(client, browser, Pkce.new())
    assert "remember" in forms_of(page.text)[0].inputs
    assert "remember" not in forms_of(page.text)[0].fields, "nobody is opted in"
    first = await connect(client, browser)
    again = await connect_again(client, browser)
    assert again is not None
    assert claims_of(again["access_token"])["gid"] != claims_of(first["access_token"])["gid"]
    assert again["scope"] == first["scope"]
    assert claims_of(again["access_token"])["sub"] == claims_of(first["access_token"])["sub"]
    # In another order it is the same request.
    assert await connect_again(client, browser, scope=" ".join(reversed(SCOPE.split())))
    redeemed(await client.refresh(first["refresh_token"]))


async def test_what_was_unticked_and_the_vals_that_were_chosen_stay_so(
    client: OAuthClient, browser: Browser
) -> None:
    pkce = Pkce.new()
    page = await consent_page(client, browser, pkce)
    form = forms_of(page.text)[0]
    val = next(name for name in form.inputs if name.startswith("val."))
    ticked = {name: value for name, value in form.fields.items() if name != "scope.vals:write"}
    filled_in = {**ticked, "remember": "on", "limit": "on", val: "on", "decision": "approve"}
    answer = await browser.http.post("/oauth/consent", data=filled_in)
    code = callback_of(answer).parameters["code"]
    first = redeemed(await client.redeem(code, pkce.verifier))
    again = await connect_again(client, browser)
    assert again is not None
    assert again["scope"] == first["scope"]
    assert "vals:write" not in again["scope"].split()
    assert again["authorization_details"] == first["authorization_details"]
    assert again["authorization_details"][0]["vals"] == [val.removeprefix("val.")]


@requirement("K219")
async def test_whoever_did_not_ask_for_it_is_asked_every_time(client: OAuthClient, browser: Browser) -> None:
    await connect(client, browser, remember=False)
    assert await connect_again(client, browser) is None


@requirement("K219", "C3")
@pytest.mark.parametrize(
    "asked",
    [
        {"scope": "vals:write blobs:write"},
        {"scope": "vals:write"},
        {"scope": None},
        {"scope": f"{SCOPE} offline_access"},
        {"resource": OTHER_RESOURCE},
        {"redirect_uri": "https://client.example.com/other"},
        {"prompt": "consent"},
    ],
    ids=lambda asked: next(iter(asked)) + ":" + str(next(iter(asked.values()))),
)
async def test_another_request_is_asked_about(
    server: AuthServer, browser: Browser, asked: dict[str, str | None]
) -> None:
    client = OAuthClient(server.visitor(), ISSUER)
    await client.register(redirect_uris=[client.redirect_uri, "https://client.example.com/other"])
    await connect(client, browser, asked={"resource": RESOURCE})
    assert await connect_again(client, browser, **asked) is None
    assert await connect_again(client, browser, resource=RESOURCE), "the same one still counts"


@requirement("K219", "C3")
async def test_another_app_with_the_same_name_and_address_is_asked_about(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    await connect(client, browser)
    other = OAuthClient(server.visitor(), ISSUER)
    await other.register(token_endpoint_auth_method="client_secret_post")
    assert other.client_id != client.client_id
    assert await connect_again(other, browser) is None
    await connect(other, browser)
    assert await connect_again(client, browser), "each has its own"


@requirement("K219")
@pytest.mark.parametrize(
    "changed",
    [
        {"client_name": "Another name"},
        {"redirect_uris": ["https://client.example.com/callback", "https://evil.example.com/callback"]},
    ],
    ids=["name", "redirect_uris"],
)
async def test_an_app_that_changed_is_asked_about(
    server: AuthServer, browser: Browser, changed: dict[str, Any]
) -> None:
    client = OAuthClient(server.visitor(), ISSUER)
    registered = await client.register(token_endpoint_auth_method="client_secret_post")
    await connect(client, browser)
    metadata = {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "client_name": "Test Client",
        "redirect_uris": [client.redirect_uri],
        "token_endpoint_auth_method": "client_secret_post",
    }
    bearer = {"Authorization": f"Bearer {registered['registration_access_token']}"}
    answer = await server.visitor().put(
        registered["registration_client_uri"], json={**metadata, **changed}, headers=bearer
    )
    assert answer.status_code == 200, answer.text
    assert await connect_again(client, browser) is None


@requirement("K219", "K223")
async def test_another_person_is_asked(server: AuthServer, client: OAuthClient, browser: Browser) -> None:
    await connect(client, browser)
    other = server.browser(GRACE if browser.api_token == ADA else ADA)
    page = await consent_page(client, other, Pkce.new())
    assert ("decision", "approve") in forms_of(page.text)[0].buttons
    await connect(client, other)
    assert await connect_again(client, browser), "each has their own"


@requirement("K219", "C7")
@pytest.mark.parametrize(
    "redirect_uri",
    ["http://127.0.0.1:3000/callback", "http://localhost/callback", "com.example.app:/callback"],
)
async def test_an_app_on_this_computer_is_asked_about_every_time(
    server: AuthServer, browser: Browser, redirect_uri: str
) -> None:
    client = OAuthClient(server.visitor(), ISSUER, redirect_uri)
    await client.register()
    page = await consent_page(client, browser, Pkce.new())
    assert "remember" not in forms_of(page.text)[0].inputs
    # Somebody who knows the field sends it all the same.
    await connect(client, browser)
    assert [key async for key in server.redis.scan_iter(match="vt:consent:*")] == []
    assert await connect_again(client, browser) is None


async def test_signing_in_leads_straight_back(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    await connect(client, browser)
    elsewhere = server.browser(browser.api_token)
    page = await elsewhere.open(client.authorize_url(Pkce.new(), scope=SCOPE))
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https://client.example.com;" in policy, "browsers hold redirects against it"
    assert "code" in callback_of(await elsewhere.sign_in(page)).parameters
    page = await elsewhere.open(client.authorize_url(Pkce.new(), scope=SCOPE, prompt="login consent"))
    assert "form-action 'self';" in page.headers["content-security-policy"]


async def taken_back(browser: Browser, how: str, tokens: Tokens) -> None:
    if how == "disconnected":
        await post_account(browser, "/account/revoke", grant=claims_of(tokens["access_token"])["gid"])
    elif how == "all":
        await post_account(browser, "/account/revoke-all", sure="on")
    else:
        page = await browser.open(f"{ISSUER}/account")
        form = next(form for form in forms_of(page.text) if form.action.endswith("/narrow"))
        fields = {name: value for name, value in form.fields.items() if not name.startswith("scope.")}
        grant = claims_of(tokens["access_token"])["gid"]
        fields |= {"grant": grant, "keep": "ticked", "scope.blobs:read": "on"}
        assert (await browser.http.post("/account/narrow", data=fields)).status_code == 303


@requirement("K219", "O33")
@pytest.mark.parametrize("how", ["disconnected", "all", "narrowed"])
@pytest.mark.parametrize("which", ["remembered", "later"])
async def test_taking_access_back_ends_it(
    server: AuthServer, client: OAuthClient, browser: Browser, how: str, which: str
) -> None:
    first = await connect(client, browser)
    later = await connect_again(client, browser)
    assert later is not None
    await taken_back(browser, how, first if which == "remembered" else later)
    assert [key async for key in server.redis.scan_iter(match="vt:consent:*")] == []
    assert await connect_again(client, browser) is None


async def test_the_operator_ends_it_too(
    client: OAuthClient, browser: Browser, redis_url: str, tmp_path: Path
) -> None:
    await connect(client, browser)
    later = await connect_again(client, browser)
    assert later is not None
    grants = Operator("grants", redis_url, tmp_path)
    await grants.json("revoke", claims_of(later["access_token"])["gid"])
    assert await connect_again(client, browser) is None


async def test_it_ends_with_the_connection_it_was_given_for(client: OAuthClient, browser: Browser) -> None:
    first = await connect(client, browser)
    assert (await client.revoke(first["refresh_token"])).status_code == 200
    assert await connect_again(client, browser) is None


async def test_a_decision_on_the_page_takes_its_place(client: OAuthClient, browser: Browser) -> None:
    await connect(client, browser)
    await browser.approve(client.authorize_url(Pkce.new(), scope=SCOPE, prompt="consent"))
    assert await connect_again(client, browser) is None
    await connect(client, browser)
    await browser.approve(client.authorize_url(Pkce.new(), scope=SCOPE, prompt="consent"), decision="deny")
    assert await connect_again(client, browser) is None


async def test_refusing_with_the_box_ticked_remembers_nothing(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    page = await consent_page(client, browser, Pkce.new())
    refused: Callback = callback_of(await browser.send(page, decision="deny", remember="on"))
    assert refused.parameters["error"] == "access_denied"
    assert [key async for key in server.redis.scan_iter(match="vt:consent:*")] == []


async def test_the_box_stays_ticked_when_the_form_comes_back(client: OAuthClient, browser: Browser) -> None:
    page = await consent_page(client, browser, Pkce.new())
    again = await browser.send(page, decision="approve", remember="on", limit="on")
    assert again.status_code == 400
    assert forms_of(again.text)[0].fields["remember"] == "on"


async def test_what_is_taken_back_while_it_goes_through_stays_back(
    server: AuthServer, client: OAuthClient, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await connect(client, browser)
    approve = Approval.approve

    async def overtaken(self: Approval, *args: Any, **named: Any) -> str:
        await post_account(browser, "/account/revoke", grant=claims_of(first["access_token"])["gid"])
        return await approve(self, *args, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Approval, "approve", overtaken)
        answer = await browser.open(client.authorize_url(Pkce.new(), scope=SCOPE))
    assert "This page is over" in told_to_the_person(answer)
    assert "No app is connected" in (await browser.open(f"{ISSUER}/account")).text
    assert await connect_again(client, browser) is None


async def test_the_page_of_connected_apps_says_so(client: OAuthClient, browser: Browser) -> None:
    await connect(client, browser, remember=False)
    assert "not asked again" not in (await browser.open(f"{ISSUER}/account")).text
    await connect(client, browser)
    assert (await browser.open(f"{ISSUER}/account")).text.count("not asked again") == 1


async def test_a_person_and_an_app_have_one_record_with_an_end(
    server: AuthServer, redis: Redis, client: OAuthClient, browser: Browser
) -> None:
    for scope in ("vals:read", "blobs:read", "files:read"):
        await connect(client, browser, asked={"scope": scope})
    (key,) = [key async for key in redis.scan_iter(match="vt:consent:*")]
    assert 0 < await redis.ttl(key) <= server.settings.oauth_grant_ttl
    assert await connect_again(client, browser, scope="files:read")
    assert await connect_again(client, browser, scope="vals:read") is None


async def fails(*_: object, **__: object) -> None:
    raise exceptions.ConnectionError("the store is away")


async def test_a_fault_takes_nothing_back_by_half(
    client: OAuthClient, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = await connect(client, browser)
    page = await browser.open(f"{ISSUER}/account")
    form = next(form for form in forms_of(page.text) if form.action.endswith("/account/revoke"))
    with monkeypatch.context() as patched:
        patched.setattr(RedisConsentStore, "forget", fails)
        told_to_the_person(await browser.http.post("/account/revoke", data=form.fields), 503)
    redeemed(await client.refresh(tokens["refresh_token"]))
    assert await connect_again(client, browser)


async def test_a_decision_counts_though_it_cannot_be_remembered(
    server: AuthServer, client: OAuthClient, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(server.redis, "set", fails)
        await connect(client, browser)
    assert await connect_again(client, browser) is None
