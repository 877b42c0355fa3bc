"""The consent page with what apps put into it, and with everything a person can open and choose on it."""

import httpx
import pytest
from playwright.async_api import expect

from auth_server.domain.client_metadata import MAX_TEXT
from dev.flow import OAuthClient, claims_of
from tests.browser.looks import look_at
from tests.browser.person import PKCE, Person
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]


async def to_consent(app: OAuthClient, person: Person, **parameters: str) -> None:
    await person.open(app.authorize_url(PKCE, **parameters))
    shown = await person.sign_in()
    assert shown.status == httpx.codes.OK


async def test_the_tools_of_each_scope_are_one_click_away(
    app: OAuthClient, person: Person, axe: str | None
) -> None:
    await to_consent(app, person, scope="read write")
    summaries = await person.page.locator("summary").all()
    assert summaries
    await expect(person.page.get_by_text("delete_blob", exact=True)).not_to_be_visible()
    for summary in summaries:
        await summary.click()
    await expect(person.page.get_by_text("delete_blob", exact=True)).to_be_visible()
    await look_at(person.page, "consent-tools", axe)


async def test_an_app_is_kept_to_the_val_that_was_ticked(
    app: OAuthClient, person: Person, axe: str | None
) -> None:
    await to_consent(app, person)
    vals = person.page.locator("[name^='val.']")
    await expect(vals.first).not_to_be_visible()
    await person.page.get_by_label("Only in chosen vals").check()
    await vals.first.check()
    chosen = (await vals.first.get_attribute("name") or "").removeprefix("val.")
    await look_at(person.page, "consent-limited", axe)
    await person.press("Allow")
    answer = await app.redeem(person.came_back_with["code"], PKCE.verifier)
    (details,) = claims_of(answer.json()["access_token"])["authorization_details"]
    assert details["vals"] == [chosen]


async def test_a_limit_to_nothing_is_not_taken_and_what_was_chosen_stays(
    app: OAuthClient, person: Person, axe: str | None
) -> None:
    await to_consent(app, person, scope="vals:read blobs:read")
    await person.page.locator("[name='scope.blobs:read']").uncheck()
    await person.page.get_by_label("Only in chosen vals").check()
    refused = await person.press("Allow")
    assert refused.status == httpx.codes.BAD_REQUEST
    await expect(person.page.get_by_role("alert")).to_be_visible()
    await expect(person.page.get_by_label("Only in chosen vals")).to_be_checked()
    await expect(person.page.locator("[name='scope.blobs:read']")).not_to_be_checked()
    await look_at(person.page, "consent-limit-refused", axe)


async def test_an_app_on_this_computer_is_warned_of(
    app: OAuthClient, person: Person, axe: str | None
) -> None:
    await to_consent(app, person)
    assert await person.page.locator(".warning").count() == 0
    app.redirect_uri = "http://127.0.0.1/callback"
    await app.register(client_name="Desk")
    await person.open(app.authorize_url(PKCE))
    await expect(person.page.locator(".warning")).to_be_visible()
    await look_at(person.page, "consent-this-computer", axe)


@requirement("K226")
@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("long", "W" * MAX_TEXT),
        ("markup", "<b>Bold</b><script>document.title = 'x'</script>"),
        ("right-to-left", "Notebook שלום مرحبا"),
    ],
)
async def test_a_name_that_an_app_chose_stays_text_in_its_place(
    app: OAuthClient, person: Person, axe: str | None, what: str, name: str
) -> None:
    await app.register(client_name=name)
    await person.open(app.authorize_url(PKCE))
    assert await person.page.locator(".app").inner_text() == name
    await person.sign_in()
    assert await person.page.locator("h1 .app").inner_text() == name
    assert await person.page.title() != "x"
    await look_at(person.page, f"consent-name-{what}", axe)
