"""The pages: signing in, deciding, and everything that tries to answer for the person (RFC 9700)."""

import asyncio
import re
from collections.abc import Callable

import httpx
import pytest

from dev.flow import Browser, OAuthClient, Pkce, callback_of, claims_of, forms_of
from mcp_server.sandbox.accounts import ADA as ADA_ACCOUNT
from mcp_server.sandbox.accounts import GRACE as GRACE_ACCOUNT
from shared.credentials import CredentialOwner, CredentialStore
from shared.policy import SCOPES
from shared.sealing import Sealer
from tests.auth_server.answers import guarded, told_to_the_person
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ADA, GRACE, ISSUER, REDIRECT_URI, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sign_in_page(client: OAuthClient, browser: Browser) -> httpx.Response:
    return await browser.open(client.authorize_url(Pkce.new()))


@pytest.fixture
async def consent_page(browser: Browser, sign_in_page: httpx.Response) -> httpx.Response:
    return await browser.sign_in(sign_in_page)


def fields(page: httpx.Response) -> dict[str, str]:
    return dict(forms_of(page.text)[0].fields)


def csp(page: httpx.Response) -> dict[str, str]:
    directives = page.headers["content-security-policy"].split(";")
    return {name: rest for name, _, rest in (part.strip().partition(" ") for part in directives)}


def is_over(response: httpx.Response) -> bool:
    told_to_the_person(response, 400)
    return True


async def credential_of(server: AuthServer, access_token: str) -> str | None:
    """Return the Val Town token a grant keeps, as a resource server reads it."""
    claims = claims_of(access_token)
    store = CredentialStore(server.redis, Sealer(server.settings.encryption_key))
    return await store.read(CredentialOwner(claims["gid"], claims["sub"], claims["client_id"]))


# What the pages show and carry.


@requirement("O30", "O36", "K225")
async def test_pages_cannot_be_framed_cached_or_leak_their_address(
    sign_in_page: httpx.Response, consent_page: httpx.Response, http: httpx.AsyncClient
) -> None:
    error_page = await http.get("/oauth/authorize")
    for page in (sign_in_page, consent_page, error_page):
        guarded(page)
        assert "script-src" not in csp(page)
        assert csp(page)["base-uri"] == "'none'"
        assert "<script" not in page.text
        assert page.headers["strict-transport-security"]


async def test_forms_lead_to_this_server_and_to_the_client_alone(
    sign_in_page: httpx.Response, consent_page: httpx.Response
) -> None:
    # From the sign-in form too: the answer may be what the person decided before.
    assert csp(sign_in_page)["form-action"] == "'self' https://client.example.com"
    assert csp(consent_page)["form-action"] == "'self' https://client.example.com"


@pytest.mark.parametrize(
    ("redirect_uri", "source"),
    [
        ("http://localhost:3000/callback", "http://localhost:3000"),
        ("http://127.0.0.1:53211/callback", "http://127.0.0.1:53211"),
        ("http://[::1]:3000/callback", "http:"),
        ("cursor://anysphere.cursor-mcp/callback", "cursor:"),
        ("com.example.app:/callback", "com.example.app:"),
        ("https://client.example.com:8443/callback", "https://client.example.com:8443"),
    ],
)
async def test_the_consent_form_may_lead_to_this_redirect_uri(
    server: AuthServer, redirect_uri: str, source: str
) -> None:
    client = await server.registered(redirect_uri)
    browser = server.browser()
    page = await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
    assert csp(page)["form-action"] == f"'self' {source}"


@pytest.mark.parametrize("host", ["a;script-src", "a,script-src", "a'unsafe-inline'", "a;frame-ancestors"])
async def test_a_hostile_redirect_host_cannot_weaken_the_policy(server: AuthServer, host: str) -> None:
    answer = await server.visitor().post(
        "/oauth/register", json={"redirect_uris": [f"https://{host}/callback"]}
    )
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_redirect_uri"


@requirement("O33", "C7")
async def test_the_consent_page_shows_who_asks_for_what(server: AuthServer, browser: Browser) -> None:
    client = await server.registered(client_name="Garden Agent")
    url = client.authorize_url(Pkce.new(), scope="vals:write email:send")
    html = told_to_the_person(await browser.sign_in(await browser.open(url)), 200)
    assert "Garden Agent" in html
    assert "client.example.com" in html
    assert ADA_ACCOUNT.username in html
    for name in ("vals:write", "vals:read", "files:write", "files:read", "email:send"):
        assert SCOPES[name].title in html
        assert SCOPES[name].words in html
    assert SCOPES["sqlite:read"].title not in html
    assert "on your own computer" not in html


@requirement("C7")
@pytest.mark.parametrize("redirect_uri", ["http://127.0.0.1:3000/callback", "http://localhost/callback"])
async def test_an_app_on_this_computer_gets_a_warning(server: AuthServer, redirect_uri: str) -> None:
    client = await server.registered(redirect_uri)
    browser = server.browser()
    page = await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
    assert "on your own computer" in page.text


async def test_every_scope_that_is_asked_for_has_its_box_and_is_ticked(
    client: OAuthClient, browser: Browser
) -> None:
    page = await browser.sign_in(
        await browser.open(client.authorize_url(Pkce.new(), scope="read write env:write email:send"))
    )
    boxes = {name.removeprefix("scope.") for name in fields(page) if name.startswith("scope.")}
    assert boxes == set(SCOPES)


async def test_the_page_names_its_buttons_as_documented(consent_page: httpx.Response) -> None:
    assert set(forms_of(consent_page.text)[0].buttons) == {("decision", "approve"), ("decision", "deny")}


async def test_the_stylesheet_is_served_and_nothing_else_is_loaded(
    http: httpx.AsyncClient, consent_page: httpx.Response
) -> None:
    loaded = re.findall(r'(?:src|href)="([^"]+)"', consent_page.text)
    assert [url for url in loaded if url.endswith(".css")] == ["/oauth/style.css"]
    assert all(url.startswith("/oauth/") for url in loaded)
    response = await http.get("/oauth/style.css")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/css")


@requirement("C5", "K221")
async def test_cookies_are_bound_to_this_host_and_out_of_reach_of_scripts(
    client: OAuthClient, browser: Browser
) -> None:
    begun = await browser.http.get(client.authorize_url(Pkce.new()))
    signed_in = await browser.send(await browser.follow(begun), api_token=ADA)
    for response, name in ((begun, "__Host-vt_browser"), (signed_in, "__Host-vt_session")):
        cookie = response.headers["set-cookie"]
        assert cookie.startswith(f"{name}=")
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes
        assert not [attribute for attribute in attributes if attribute.startswith("domain")]


@requirement("K221")
async def test_on_plain_loopback_http_cookies_have_plain_names(open_server: OpenServer) -> None:
    async with open_server(oauth_issuer_url="http://127.0.0.1:9000") as server:
        client = await server.registered()
        begun = await server.visitor().get(client.authorize_url(Pkce.new()))
        assert begun.headers["set-cookie"].startswith("vt_browser=")
        assert "secure" not in begun.headers["set-cookie"].lower()
        assert await server.works()


# Signing in.


async def test_a_pasted_token_signs_its_account_in(server: AuthServer, client: OAuthClient) -> None:
    tokens = await client.tokens(server.browser(GRACE))
    assert claims_of(tokens["access_token"])["sub"] == str(GRACE_ACCOUNT.id)
    assert await credential_of(server, tokens["access_token"]) == GRACE


@pytest.mark.parametrize("token", [f"  {ADA}\n", f"\t{ADA}"])
async def test_white_space_around_a_pasted_token_does_not_matter(
    server: AuthServer, client: OAuthClient, token: str
) -> None:
    tokens = await client.tokens(server.browser(token))
    assert await credential_of(server, tokens["access_token"]) == ADA


@requirement("L235")
@pytest.mark.parametrize(
    "token",
    [
        "",
        "   ",
        "wrong",
        "vtwn_unknown",
        "a b",
        "a\nb",
        "a\r\nX-Evil: 1",
        "ü",
        "\x00",
        "x" * 513,
        "x" * 50_000,
    ],
)
async def test_a_token_that_is_none_is_refused_and_the_page_still_works(
    browser: Browser, sign_in_page: httpx.Response, token: str
) -> None:
    refused_page = await browser.submit(sign_in_page, api_token=token)
    html = told_to_the_person(refused_page, 400)
    assert 'role="alert"' in html
    if len(token) > 10:
        assert token not in html
    assert "set-cookie" not in refused_page.headers
    assert "Allow" in (await browser.sign_in(refused_page)).text


@pytest.mark.parametrize("token", ["", "ü", "x" * 513])
async def test_what_cannot_be_a_token_is_not_sent_to_val_town(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response, token: str
) -> None:
    await browser.submit(sign_in_page, api_token=token)
    assert server.val_town.requests == []


@requirement("L236", "L238")
async def test_the_token_is_sent_to_val_town_alone_and_in_the_header(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    await client.tokens(browser)
    signed_in, listed = server.val_town.requests
    assert signed_in.url == "https://val-town.test/v1/me"
    assert listed.url.path == "/v2/me/vals"
    for asked in (signed_in, listed):
        assert asked.url.host == "val-town.test"
        assert asked.headers["authorization"] == f"Bearer {ADA}"


def _answer(status: int, body: object = None) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _request: httpx.Response(status, json=body)


def _no_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("down", request=request)


def _too_slow(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow", request=request)


@pytest.mark.parametrize(
    "fault",
    [
        _no_connection,
        _too_slow,
        _answer(500),
        _answer(503),
        _answer(429, {"message": "slow down"}),
        _answer(200, "not a user"),
        _answer(200, {"id": 1}),
        lambda _request: httpx.Response(200, content=b"<html>"),
        lambda _request: httpx.Response(302, headers={"Location": "https://evil.example/"}),
    ],
    ids=["refused", "slow", "500", "503", "429", "string", "other object", "html", "redirect"],
)
async def test_when_val_town_does_not_answer_the_page_is_503_and_works_again_later(
    server: AuthServer,
    browser: Browser,
    sign_in_page: httpx.Response,
    fault: Callable[[httpx.Request], httpx.Response],
) -> None:
    server.val_town.fault = fault
    response = await browser.submit(sign_in_page, api_token=ADA)
    told_to_the_person(response, 503)
    assert int(response.headers["retry-after"]) >= 1
    server.val_town.fault = None
    assert "Allow" in (await browser.submit(sign_in_page, api_token=ADA)).text


@pytest.mark.parametrize(("status", "word"), [(401, "accept"), (403, "profile")])
async def test_a_token_that_val_town_refuses_is_told_to_the_person(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response, status: int, word: str
) -> None:
    server.val_town.fault = _answer(status, {"message": "no"})
    page = await browser.submit(sign_in_page, api_token=ADA)
    assert word in told_to_the_person(page, 400)


async def test_an_account_without_a_name_is_refused(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response
) -> None:
    profile = {"id": "0", "type": "org", "username": None, "bio": None, "profileImageUrl": None, "url": "x"}
    server.val_town.fault = _answer(200, {**profile, "links": {"self": "x"}, "tier": None, "email": None})
    response = await browser.submit(sign_in_page, api_token=ADA)
    told_to_the_person(response, 400)
    assert "set-cookie" not in response.headers


async def test_a_session_spares_the_person_the_second_sign_in_for_an_hour(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    await client.tokens(browser)
    assert [asked.url.path for asked in server.val_town.requests].count("/v1/me") == 1
    server.clock.advance(3500)
    await client.tokens(browser)
    assert [asked.url.path for asked in server.val_town.requests].count("/v1/me") == 1
    server.clock.advance(3700)
    page = await browser.open(client.authorize_url(Pkce.new()))
    assert asks_to_sign_in(page)


@requirement("C3", "K219")
async def test_consent_is_asked_for_every_time(client: OAuthClient, browser: Browser) -> None:
    await client.tokens(browser)
    page = await browser.open(client.authorize_url(Pkce.new()))
    assert forms_of(page.text)[0].buttons


@requirement("K217")
async def test_the_session_id_changes_at_sign_in_and_the_planted_one_is_worth_nothing(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    await client.tokens(browser)
    planted = browser.http.cookies["__Host-vt_session"]
    page = await browser.open(client.authorize_url(Pkce.new(), prompt="login"))
    await browser.submit(page, api_token=GRACE)
    assert browser.http.cookies["__Host-vt_session"] != planted
    attacker = server.browser()
    attacker.http.cookies.set("__Host-vt_session", planted, domain="auth.test", path="/")
    page = await attacker.open(client.authorize_url(Pkce.new()))
    assert "api_token" in forms_of(page.text)[0].inputs


@requirement("K222")
@pytest.mark.parametrize("value", ["planted", "vtss_" + "A" * 43, "x" * 5000, "", '"quoted"'])
async def test_a_made_up_session_is_none(client: OAuthClient, browser: Browser, value: str) -> None:
    browser.http.cookies.set("__Host-vt_session", value, domain="auth.test", path="/")
    page = await browser.open(client.authorize_url(Pkce.new()))
    assert "api_token" in forms_of(page.text)[0].inputs
    await browser.submit(page, api_token=ADA)
    assert browser.http.cookies.get("__Host-vt_session", domain="auth.test") != value


# Who may answer: this browser, this person, this page, once.


@requirement("K218")
@pytest.mark.parametrize("token", [None, "", "wrong", "A" * 43, "ü"])
async def test_sign_in_without_the_token_of_its_page_is_refused(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response, token: str | None
) -> None:
    form = {**fields(sign_in_page), "api_token": ADA}
    form |= {"csrf": token} if token is not None else {}
    if token is None:
        del form["csrf"]
    response = await browser.http.post("/oauth/sign-in", data=form)
    told_to_the_person(response, 403)
    assert "set-cookie" not in response.headers
    assert server.val_town.requests == []
    assert "Allow" in (await browser.sign_in(sign_in_page)).text


@requirement("K218", "C6")
@pytest.mark.parametrize("token", [None, "", "wrong", "A" * 43, "ü"])
@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_consent_without_the_token_of_its_page_is_refused(
    browser: Browser, consent_page: httpx.Response, token: str | None, decision: str
) -> None:
    form = {**fields(consent_page), "decision": decision}
    if token is None:
        del form["csrf"]
    else:
        form["csrf"] = token
    told_to_the_person(await browser.http.post("/oauth/consent", data=form), 403)
    assert "code" in (await browser.decide(consent_page)).parameters


@requirement("K218")
async def test_the_token_of_one_page_is_not_taken_at_another(
    client: OAuthClient, browser: Browser, sign_in_page: httpx.Response, consent_page: httpx.Response
) -> None:
    other = await browser.open(client.authorize_url(Pkce.new()))
    form = {**fields(consent_page), "decision": "approve"}
    for foreign in (sign_in_page, other):
        wrong = {**form, "csrf": fields(foreign)["csrf"]}
        told_to_the_person(await browser.http.post("/oauth/consent", data=wrong), 403)
    assert "code" in (await browser.decide(consent_page)).parameters


@requirement("K218", "C6")
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("step", ["sign-in", "consent"])
async def test_a_form_that_the_browser_says_comes_from_elsewhere_is_refused(
    browser: Browser, sign_in_page: httpx.Response, site: str, step: str
) -> None:
    headers = {"Sec-Fetch-Site": site}
    page, given = sign_in_page, {"api_token": ADA}
    if step == "consent":
        page, given = await browser.sign_in(sign_in_page), {"decision": "approve"}
    form = {**fields(page), **given}
    told_to_the_person(await browser.http.post(f"/oauth/{step}", data=form, headers=headers), 403)
    headers = {"Sec-Fetch-Site": "same-origin"}
    response = await browser.http.post(f"/oauth/{step}", data=form, headers=headers)
    assert response.status_code == 303


@requirement("C4")
async def test_a_page_opened_in_another_browser_is_over_there_and_good_here(
    server: AuthServer, client: OAuthClient, browser: Browser, sign_in_page: httpx.Response
) -> None:
    # The attacker lures the person to a request that the attacker began (or the other way round).
    other = server.browser(GRACE)
    assert is_over(await other.http.get(str(sign_in_page.url)))
    await client.tokens(other)
    assert is_over(await other.http.get(str(sign_in_page.url)))
    form = {**fields(sign_in_page), "api_token": GRACE}
    assert is_over(await other.http.post("/oauth/sign-in", data=form))
    assert "Allow" in (await browser.sign_in(sign_in_page)).text


@requirement("C4")
async def test_a_consent_form_sent_from_another_browser_is_over_there_and_good_here(
    server: AuthServer, client: OAuthClient, browser: Browser, consent_page: httpx.Response
) -> None:
    other = server.browser(GRACE)
    await client.tokens(other)
    form = {**fields(consent_page), "decision": "approve"}
    assert is_over(await other.http.post("/oauth/consent", data=form))
    assert is_over(await other.http.get(str(consent_page.url)))
    assert "code" in (await browser.decide(consent_page)).parameters


async def test_a_stolen_session_without_the_browser_cookie_cannot_answer(
    server: AuthServer, browser: Browser, consent_page: httpx.Response
) -> None:
    other = server.browser()
    session = browser.http.cookies["__Host-vt_session"]
    other.http.cookies.set("__Host-vt_session", session, domain="auth.test", path="/")
    form = {**fields(consent_page), "decision": "approve"}
    assert is_over(await other.http.post("/oauth/consent", data=form))


@requirement("C4")
async def test_without_any_cookie_nothing_is_shown_or_taken(
    http: httpx.AsyncClient, sign_in_page: httpx.Response, consent_page: httpx.Response
) -> None:
    for page, step in ((sign_in_page, "sign-in"), (consent_page, "consent")):
        assert is_over(await http.get(str(page.url)))
        form = {**fields(page), "api_token": ADA, "decision": "approve"}
        assert is_over(await http.post(f"/oauth/{step}", data=form))


@requirement("K223")
async def test_a_page_shown_to_one_person_is_not_answered_by_the_next_in_the_same_browser(
    client: OAuthClient, browser: Browser, consent_page: httpx.Response
) -> None:
    again = await browser.open(client.authorize_url(Pkce.new(), prompt="login"))
    await browser.submit(again, api_token=GRACE)
    form = {**fields(consent_page), "decision": "approve"}
    told_to_the_person(await browser.http.post("/oauth/consent", data=form), 403)


async def test_changing_the_account_on_the_consent_page(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    pkce = Pkce.new()
    page = await browser.sign_in(await browser.open(client.authorize_url(pkce)))
    link = re.search(r'href="(/oauth/sign-in\?txn=[^"]+)"', page.text)
    assert link is not None
    consent = await browser.submit(await browser.open(link.group(1)), api_token=GRACE)
    assert GRACE_ACCOUNT.username in consent.text
    code = (await browser.decide(consent)).parameters["code"]
    tokens = (await client.redeem(code, pkce.verifier)).json()
    assert claims_of(tokens["access_token"])["sub"] == str(GRACE_ACCOUNT.id)
    assert await credential_of(server, tokens["access_token"]) == GRACE


@requirement("A36", "C4", "K227")
@pytest.mark.parametrize("first", ["approve", "deny"])
@pytest.mark.parametrize("second", ["approve", "deny"])
async def test_a_page_is_answered_once(
    browser: Browser, consent_page: httpx.Response, first: str, second: str
) -> None:
    await browser.decide(consent_page, decision=first)
    form = {**fields(consent_page), "decision": second}
    assert is_over(await browser.http.post("/oauth/consent", data=form))
    assert is_over(await browser.http.get(str(consent_page.url)))


@requirement("A36", "K227")
async def test_a_double_click_makes_one_code(
    server: AuthServer, browser: Browser, consent_page: httpx.Response
) -> None:
    form = {**fields(consent_page), "decision": "approve"}
    answers = await asyncio.gather(*(browser.http.post("/oauth/consent", data=form) for _ in range(8)))
    codes = [callback_of(answer) for answer in answers if answer.status_code == 303]
    assert len(codes) == 1
    assert sum(is_over(answer) for answer in answers if answer.status_code != 303) == 7
    assert len([key async for key in server.redis.scan_iter(match="vt:{*}:grant")]) == 1


@requirement("C4")
@pytest.mark.parametrize("signed_in", [True, False])
async def test_a_page_is_over_after_ten_minutes(
    server: AuthServer, browser: Browser, sign_in_page: httpx.Response, signed_in: bool
) -> None:
    page = await browser.sign_in(sign_in_page) if signed_in else sign_in_page
    server.clock.advance(590)
    assert (await browser.http.get(str(page.url))).status_code == 200
    server.clock.advance(11)
    assert is_over(await browser.http.get(str(page.url)))
    step = "consent" if signed_in else "sign-in"
    form = {**fields(page), "api_token": ADA, "decision": "approve"}
    assert is_over(await browser.http.post(f"/oauth/{step}", data=form))


@pytest.mark.parametrize("handle", ["", "unknown", "vttx_" + "A" * 43, "x" * 10_000, "\x00", "../x", "ü"])
async def test_an_unknown_page_is_over(browser: Browser, consent_page: httpx.Response, handle: str) -> None:
    for step in ("sign-in", "consent"):
        assert is_over(await browser.http.get(f"/oauth/{step}", params={"txn": handle}))
        form = {**fields(consent_page), "txn": handle, "decision": "approve", "api_token": ADA}
        assert is_over(await browser.http.post(f"/oauth/{step}", data=form))
    assert is_over(await browser.http.get("/oauth/consent"))


async def test_consent_without_a_session_leads_to_sign_in_and_back(
    client: OAuthClient, browser: Browser, consent_page: httpx.Response
) -> None:
    browser.http.cookies.delete("__Host-vt_session")
    response = await browser.send(consent_page, decision="approve")
    assert response.headers["location"].startswith("/oauth/sign-in?txn=")
    page = await browser.sign_in(await browser.follow(response))
    assert "code" in (await browser.decide(page)).parameters


async def test_a_client_that_vanished_meanwhile_is_told_to_the_person(
    server: AuthServer, client: OAuthClient, browser: Browser, consent_page: httpx.Response
) -> None:
    await server.redis.delete(f"vt:client:{client.client_id}")
    assert is_over(await browser.http.get(str(consent_page.url)))
    assert is_over(await browser.send(consent_page, decision="approve"))


async def test_nothing_is_granted_before_the_answer(server: AuthServer, consent_page: httpx.Response) -> None:
    assert [key async for key in server.redis.scan_iter(match="vt:{*}:grant")] == []


@requirement("K220")
async def test_refusing_grants_nothing(
    server: AuthServer, browser: Browser, consent_page: httpx.Response
) -> None:
    callback = await browser.decide(consent_page, decision="deny")
    assert callback.url.startswith(REDIRECT_URI)
    assert dict(callback.parameters).keys() == {"error", "error_description", "state", "iss"}
    assert callback.parameters["error"] == "access_denied"
    assert callback.parameters["iss"] == ISSUER
    assert [key async for key in server.redis.scan_iter(match="vt:{*}:grant")] == []


@pytest.mark.parametrize("decision", [None, "", "yes", "APPROVE"])
async def test_an_unclear_decision_shows_the_page_again(
    browser: Browser, consent_page: httpx.Response, decision: str | None
) -> None:
    form = fields(consent_page) | ({} if decision is None else {"decision": decision})
    page = await browser.http.post("/oauth/consent", data=form)
    assert 'role="alert"' in told_to_the_person(page, 400)
    assert "code" in (await browser.decide(page)).parameters


async def test_unticking_everything_shows_the_page_again(client: OAuthClient, browser: Browser) -> None:
    url = client.authorize_url(Pkce.new(), scope="user:read")
    page = await browser.sign_in(await browser.open(url))
    form = {name: value for name, value in fields(page).items() if not name.startswith("scope.")}
    again = await browser.http.post("/oauth/consent", data={**form, "decision": "approve"})
    assert 'role="alert"' in told_to_the_person(again, 400)
    assert "code" in (await browser.decide(again)).parameters


@pytest.mark.parametrize(
    ("asked", "unticked", "granted"),
    [
        ("read", [], "read"),
        ("read write", [], "read write"),
        ("vals:read user:read", ["user:read"], "vals:read"),
        # Reading goes, so writing the same thing goes too.
        ("vals:write", ["vals:read"], "files:write"),
        ("blobs:write", ["blobs:write"], "blobs:read"),
        ("read email:send", ["email:send"], "read"),
        (
            "read",
            ["vals:read", "files:read", "blobs:read", "sqlite:read", "env:read", "telemetry:read"],
            "user:read orgs:read",
        ),
        ("user:read offline_access", [], "user:read offline_access"),
    ],
)
async def test_what_was_unticked_is_not_granted(
    client: OAuthClient, browser: Browser, asked: str, unticked: list[str], granted: str
) -> None:
    tokens = await client.tokens(browser, scope=asked, untick=unticked)
    assert tokens["scope"] == granted


@requirement("A37")
async def test_ticking_more_than_was_asked_for_grants_no_more(client: OAuthClient, browser: Browser) -> None:
    pkce = Pkce.new()
    page = await browser.sign_in(await browser.open(client.authorize_url(pkce, scope="user:read")))
    form = fields(page) | {f"scope.{name}": "on" for name in SCOPES}
    response = await browser.http.post("/oauth/consent", data={**form, "decision": "approve"})
    tokens = (await client.redeem(callback_of(response).parameters["code"], pkce.verifier)).json()
    assert tokens["scope"] == "user:read"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("step", ["sign-in", "consent"])
async def test_the_pages_take_get_and_post_only(http: httpx.AsyncClient, step: str, method: str) -> None:
    assert (await http.request(method, f"/oauth/{step}")).status_code == 405


# Owner mode, and servers that are not open to everybody.


async def test_in_owner_mode_only_the_owner_signs_in_and_nothing_pasted_is_kept(
    open_server: OpenServer,
) -> None:
    async with open_server(val_town_api_token=ADA) as server:
        client = await server.registered()
        stranger = server.browser(GRACE)
        page = await stranger.open(client.authorize_url(Pkce.new()))
        told_to_the_person(await stranger.submit(page, api_token=GRACE), 403)
        told_to_the_person(await stranger.submit(page, api_token="wrong"), 400)
        tokens = await client.tokens(server.browser(ADA))
        assert claims_of(tokens["access_token"])["sub"] == str(ADA_ACCOUNT.id)
        assert await credential_of(server, tokens["access_token"]) is None


async def test_in_owner_mode_a_dead_server_token_is_a_fault_of_the_server(open_server: OpenServer) -> None:
    async with open_server(val_town_api_token="vtwn_dead") as server:
        client = await server.registered()
        browser = server.browser(ADA)
        page = await browser.open(client.authorize_url(Pkce.new()))
        told_to_the_person(await browser.submit(page, api_token=ADA), 503)


async def test_only_allowed_users_sign_in(open_server: OpenServer) -> None:
    async with open_server(oauth_allowed_users=f"somebody, {ADA_ACCOUNT.username.upper()}") as server:
        client = await server.registered()
        stranger = server.browser(GRACE)
        page = await stranger.open(client.authorize_url(Pkce.new()))
        told_to_the_person(await stranger.submit(page, api_token=GRACE), 403)
        assert (await client.tokens(server.browser(ADA)))["token_type"] == "Bearer"


def carried_over(browser: Browser, server: AuthServer) -> Browser:
    """Return the same browser, with its cookies, at another replica."""
    other = server.browser(browser.api_token)
    for cookie in browser.http.cookies.jar:
        other.http.cookies.set(cookie.name, cookie.value or "", domain=cookie.domain, path=cookie.path)
    return other


def asks_to_sign_in(page: httpx.Response) -> bool:
    return bool(forms_of(page.text)) and "api_token" in forms_of(page.text)[0].inputs


@requirement("K222")
async def test_a_session_counts_at_every_replica(
    open_server: OpenServer, client: OAuthClient, browser: Browser
) -> None:
    await client.tokens(browser)
    async with open_server() as replica:
        page = await carried_over(browser, replica).open(client.authorize_url(Pkce.new()))
        assert not asks_to_sign_in(page)


@pytest.mark.parametrize(
    "changes",
    [{"oauth_allowed_users": "somebody-else"}, {"val_town_api_token": ADA}, {"val_town_api_token": GRACE}],
)
async def test_a_session_from_before_the_rules_changed_does_not_count(
    open_server: OpenServer, client: OAuthClient, browser: Browser, changes: dict[str, str]
) -> None:
    await client.tokens(browser)
    async with open_server(**changes) as changed:
        page = await carried_over(browser, changed).open(client.authorize_url(Pkce.new()))
        assert asks_to_sign_in(page)


async def test_a_session_of_owner_mode_does_not_count_without_it(open_server: OpenServer) -> None:
    async with open_server(val_town_api_token=ADA) as owner_mode:
        client, browser = await owner_mode.registered(), owner_mode.browser()
        await client.tokens(browser)
    async with open_server() as changed:
        page = await carried_over(browser, changed).open(client.authorize_url(Pkce.new()))
        assert asks_to_sign_in(page)


@requirement("E109")
async def test_somebody_no_longer_allowed_loses_the_grant_at_the_next_refresh(
    open_server: OpenServer, server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    tokens = await client.tokens(browser)
    async with open_server(oauth_allowed_users="somebody-else") as changed:
        there = changed.client()
        there.client_id, there.client_secret = client.client_id, client.client_secret
        answer = await there.refresh(tokens["refresh_token"])
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert await server.is_denied(tokens)


@pytest.mark.parametrize("prompt", ["login", "select_account"])
async def test_who_must_sign_in_anew_cannot_skip_it(
    client: OAuthClient, browser: Browser, prompt: str
) -> None:
    await client.tokens(browser)
    page = await browser.open(client.authorize_url(Pkce.new(), prompt=prompt))
    handle = fields(page)["txn"]
    straight = await browser.open(f"{ISSUER}/oauth/consent?txn={handle}")
    assert asks_to_sign_in(straight)
    consent = await browser.submit(straight, api_token=ADA)
    assert "code" in (await browser.decide(consent)).parameters
