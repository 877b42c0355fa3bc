"""What a request or a registration puts into a page stays text and leads nobody elsewhere (CWE-79, 601)."""

from urllib.parse import urlencode

import httpx
import pytest

from dev.flow import Browser, OAuthClient, Pkce, claims_of, forms_of
from mcp_server.sandbox.accounts import ADA as ADA_ACCOUNT
from tests.auth_server.answers import told_to_the_person
from tests.auth_server.deployment import ADA, REDIRECT_URI, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

MARKUP = [
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "</title><svg/onload=alert(1)>",
    "{{ 7919 * 7907 }}",
    "<b>bold</b>",
]
ELSEWHERE = [
    "//evil.example",
    "https:evil.example",
    "/\\evil.example",
    "https://evil.example/",
    "javascript:x",
]


def is_text(html: str) -> bool:
    """Return whether a page has no element, and no computed value, of a hostile text."""
    made = ("<script", "<img", "<svg", "<b>", str(7919 * 7907))
    return not [one for one in made if one in html.lower()]


@requirement("K226")
@pytest.mark.parametrize("hostile", MARKUP)
async def test_markup_in_a_registration_is_text_on_every_page(server: AuthServer, hostile: str) -> None:
    client = await server.registered(client_name=hostile, client_uri="https://client.example.com/<script>")
    browser = server.browser()
    sign_in = await browser.open(client.authorize_url(Pkce.new()))
    refused = await browser.submit(sign_in, api_token=f"wrong{hostile}")
    consent = await browser.sign_in(refused)
    for page, status in ((sign_in, 200), (refused, 400), (consent, 200)):
        assert is_text(told_to_the_person(page, status))
    assert "code" in (await browser.decide(consent)).parameters


@requirement("K226")
@pytest.mark.parametrize("hostile", MARKUP)
@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "resource", "txn"])
async def test_markup_in_a_request_is_on_no_page(
    server: AuthServer, client: OAuthClient, browser: Browser, name: str, hostile: str
) -> None:
    changes = {"redirect_uri": "https://evil.example/", name: hostile}
    assert hostile not in told_to_the_person(await browser.open(client.authorize_url(Pkce.new(), **changes)))
    for page in ("sign-in", "consent"):
        answer = await browser.http.get(f"/oauth/{page}", params={"txn": "x", name: hostile})
        assert hostile not in told_to_the_person(answer)


@requirement("A35")
@pytest.mark.parametrize("target", ELSEWHERE)
async def test_nothing_the_browser_names_decides_where_signing_in_leads(
    client: OAuthClient, browser: Browser, target: str
) -> None:
    names = ("next", "return_to", "redirect", "redirect_uri", "continue", "url")
    chosen = dict.fromkeys(names, target)
    page = await browser.open(client.authorize_url(Pkce.new()))
    form = {**forms_of(page.text)[0].fields, "api_token": ADA, **chosen}
    signed_in = await browser.http.post("/oauth/sign-in", params=chosen, data=form)
    assert signed_in.headers["location"].startswith("/oauth/consent?txn=vttx_")
    consent = await browser.http.get(f"{signed_in.headers['location']}&{urlencode(chosen)}")
    form = {**forms_of(consent.text)[0].fields, "decision": "approve", **chosen}
    decided = await browser.http.post("/oauth/consent", params=chosen, data=form)
    assert decided.headers["location"].startswith(f"{REDIRECT_URI}?code=")


@requirement("O29")
async def test_every_redirect_after_a_form_is_a_303(client: OAuthClient, browser: Browser) -> None:
    begun = await browser.http.post(
        "/oauth/authorize", data=httpx.URL(client.authorize_url(Pkce.new())).params
    )
    page = await browser.follow(begun)
    signed_in = await browser.send(page, api_token=ADA)
    decided = await browser.send(await browser.follow(signed_in), decision="approve")
    again = await browser.open(client.authorize_url(Pkce.new()))
    denied = await browser.send(again, decision="deny")
    answers = [begun, signed_in, decided, denied]
    assert [answer.status_code for answer in answers] == [303] * 4
    assert all(ADA not in answer.headers["location"] for answer in answers)


@requirement("K222")
@pytest.mark.parametrize("name", ["__Host-vt_browser", "__Host-vt_session"])
async def test_a_cookie_that_was_changed_is_none(client: OAuthClient, browser: Browser, name: str) -> None:
    page = await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
    true = browser.http.cookies[name]
    for changed in (true[:-1] + ("A" if true[-1] != "A" else "B"), true[:-1], true + "A", true.upper()):
        browser.http.cookies.set(name, changed, domain="auth.test", path="/")
        shown = await browser.http.get(str(page.url))
        if name == "__Host-vt_browser":
            told_to_the_person(shown, 400)
        else:
            assert shown.headers["location"].startswith("/oauth/sign-in?txn=")
    browser.http.cookies.set(name, true, domain="auth.test", path="/")
    assert "code" in (await browser.decide(page)).parameters


@requirement("O35")
async def test_a_client_id_is_never_the_id_of_a_person(server: AuthServer) -> None:
    subject = str(ADA_ACCOUNT.id)
    client = await server.registered(client_id=subject, client_name=subject)
    assert client.client_id != subject
    assert client.client_id.startswith("client_")
    claims = claims_of((await client.tokens(server.browser()))["access_token"])
    assert (claims["sub"], claims["client_id"]) == (subject, client.client_id)
    assert not subject.startswith("client_")
