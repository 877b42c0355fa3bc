"""/account: a person sees the apps that are connected to their account, and takes access back."""

from html import unescape

import httpx
import pytest

from dev.flow import Browser, Form, OAuthClient, claims_of, forms_of
from tests.auth_server.answers import guarded, refused, told_to_the_person
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import GRACE, ISSUER, VAL_TOWN, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


async def apps_page(browser: Browser) -> httpx.Response:
    """Open the page, signing in when it asks."""
    page = await browser.sign_in(await browser.open(f"{ISSUER}/account"))
    assert page.status_code == 200, page.text
    assert str(page.url).startswith(f"{ISSUER}/account")
    guarded(page)
    return page


def form_to(page: httpx.Response, action: str) -> Form:
    return next(form for form in forms_of(page.text) if form.action.endswith(action))


async def post(browser: Browser, action: str, fields: dict[str, str], **headers: str) -> httpx.Response:
    return await browser.http.post(
        f"/account/{action}",
        data=fields,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


async def works(client: OAuthClient, tokens: dict[str, str]) -> bool:
    return (await client.refresh(tokens["refresh_token"])).status_code == 200


@requirement("O33")
async def test_a_person_sees_an_app_and_disconnects_it(server: AuthServer, browser: Browser) -> None:
    client = await server.registered(client_name="Notes", scope="vals:read")
    tokens = await client.tokens(browser, scope="vals:read")
    page = await apps_page(browser)
    assert "Notes" in page.text
    assert "client.example.com" in page.text
    assert "See your vals" in page.text
    assert "Change code" not in page.text
    answer = await post(browser, "revoke", form_to(page, "/revoke").fields)
    assert answer.status_code == 303
    after = await browser.open(f"{ISSUER}{answer.headers['location']}")
    assert 'role="status"' in after.text
    assert "Notes" not in after.text
    assert await server.is_denied(tokens)
    refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")


async def test_who_is_not_signed_in_signs_in_for_this_page_alone(
    server: AuthServer, browser: Browser
) -> None:
    page = await browser.open(f"{ISSUER}/account")
    form = forms_of(page.text)[0]
    assert "api_token" in form.inputs
    # The request for this page is none for consent.
    consent = await browser.open(f"{ISSUER}/oauth/consent?txn={form.fields['txn']}")
    assert "api_token" in forms_of(consent.text)[0].inputs
    assert "No app is connected" in (await browser.sign_in(page)).text
    told_to_the_person(await browser.open(f"{ISSUER}/oauth/consent?txn={form.fields['txn']}"))


async def test_nobody_sees_or_ends_what_is_another_persons(server: AuthServer, browser: Browser) -> None:
    client = await server.registered(client_name="Of Ada")
    tokens = await client.tokens(browser)
    grace = server.browser(GRACE)
    page = await apps_page(grace)
    assert "Of Ada" not in page.text
    fields = {**form_to(page, "/sign-out").fields, "grant": claims_of(tokens["access_token"])["gid"]}
    strange = await post(grace, "revoke", fields)
    nothing = await post(grace, "revoke", {**fields, "grant": "A" * 22})
    # The same answer as for one that does not exist.
    assert strange.headers["location"] == nothing.headers["location"] == "/account?done=gone"
    assert (await post(grace, "revoke-all", {**fields, "sure": "on"})).status_code == 303
    assert await works(client, tokens)


@requirement("K217")
async def test_a_form_without_the_token_of_this_session_changes_nothing(
    server: AuthServer, browser: Browser
) -> None:
    client = await server.registered()
    tokens = await client.tokens(browser)
    page = await apps_page(browser)
    fields = form_to(page, "/revoke").fields
    other = form_to(await apps_page(server.browser(GRACE)), "/sign-out").fields["csrf"]
    for action in ("revoke", "revoke-all", "sign-out"):
        for csrf in ("", "wrong", other):
            given = {**fields, "csrf": csrf, "sure": "on"}
            told_to_the_person(await post(browser, action, given), 403)
        told_to_the_person(
            await post(browser, action, {**fields, "sure": "on"}, sec_fetch_site="cross-site"), 403
        )
        told_to_the_person(await post(server.browser(), action, fields), 400)
        assert (await browser.http.get(f"/account/{action}")).status_code == 405
    assert await works(client, tokens)
    assert "Disconnect every app" in (await apps_page(browser)).text


async def test_all_apps_go_at_once_but_only_when_it_is_confirmed(
    server: AuthServer, browser: Browser
) -> None:
    clients = [await server.registered(client_name=f"App {number}") for number in range(3)]
    issued = [await client.tokens(browser) for client in clients]
    page = await apps_page(browser)
    fields = form_to(page, "/revoke-all").fields
    assert (await post(browser, "revoke-all", fields)).headers["location"] == "/account"
    assert "App 2" in (await apps_page(browser)).text
    await post(browser, "revoke-all", {**fields, "sure": "on"})
    assert "No app is connected" in (await apps_page(browser)).text
    for client, tokens in zip(clients, issued, strict=True):
        assert await server.is_denied(tokens)
        assert not await works(client, tokens)


async def test_signing_out_ends_the_session_and_no_app(server: AuthServer, browser: Browser) -> None:
    client = await server.registered()
    tokens = await client.tokens(browser)
    page = await apps_page(browser)
    answer = await post(browser, "sign-out", form_to(page, "/sign-out").fields)
    assert answer.status_code == 200
    guarded(answer)
    assert "api_token" in forms_of((await browser.open(f"{ISSUER}/account")).text)[0].inputs
    assert await works(client, tokens)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a\u202eb", "x" * 200, "'\"><img src=x>"])
async def test_names_that_apps_choose_stay_text(server: AuthServer, browser: Browser, name: str) -> None:
    client = server.client()
    response = await client.http.post(
        "/oauth/register", json={"redirect_uris": [client.redirect_uri], "client_name": name}
    )
    if response.status_code != 201:
        return
    client.client_id = response.json()["client_id"]
    client.client_secret = response.json()["client_secret"]
    await client.tokens(browser)
    page = await apps_page(browser)
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert "<bdi>" in page.text
    assert unescape(page.text).count("Disconnect") >= 2


async def test_the_status_line_says_only_what_this_page_can_say(server: AuthServer, browser: Browser) -> None:
    await apps_page(browser)
    page = await browser.open(f"{ISSUER}/account?done=<b>Call+this+number</b>")
    assert "number" not in page.text


async def test_signing_in_with_val_town_leads_here_too(open_server: OpenServer) -> None:
    async with open_server(val_town_oauth_issuer=f"{VAL_TOWN}/oauth") as server:
        browser = server.browser()
        page = await browser.open(f"{ISSUER}/account")
        away = await browser.send(page, **{"with": "val-town"})
        async with httpx.AsyncClient(transport=server.val_town) as http:
            back = await http.post(away.headers["location"], data={"account": "ada", "decision": "allow"})
        page = await browser.open(back.headers["location"])
        assert str(page.url) == f"{ISSUER}/account"
        assert "ada" in page.text
