"""What a person does: sign in, look, untick, allow or refuse, go back; with two browsers where it matters."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from dev.deployment import Deployment
from dev.flow import OAuthClient, claims_of
from tests.browser.looks import look_at
from tests.browser.person import ADA, PKCE, REDIRECT_URI, Person
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

AnotherPerson = Callable[..., Awaitable[Person]]


async def scopes_of(app: OAuthClient, person: Person) -> set[str]:
    answer = await app.redeem(person.came_back_with["code"], PKCE.verifier)
    assert answer.status_code == httpx.codes.OK
    return set(claims_of(answer.json()["access_token"])["scope"].split())


async def test_sign_in_look_and_allow(app: OAuthClient, person: Person, axe: str | None) -> None:
    shown = await person.open(app.authorize_url(PKCE, scope="read write email:send", state="s"))
    assert shown.status == httpx.codes.OK
    await look_at(person.page, "sign-in", axe)
    shown = await person.sign_in()
    assert shown.status == httpx.codes.OK
    await look_at(person.page, "consent", axe)
    await person.press("Allow")
    assert person.came_back_with["state"] == "s"
    assert person.came_back_with["iss"] == app.issuer
    assert await scopes_of(app, person) == {"read", "write", "email:send"}
    assert person.elsewhere == [person.page.url], "a page asked somebody else for something"


async def test_the_pages_need_no_script(app: OAuthClient, another_person: AnotherPerson) -> None:
    person = await another_person(java_script_enabled=False)
    await person.open(app.authorize_url(PKCE))
    await person.sign_in()
    await person.press("Allow")
    assert person.came_back_with["code"]


async def test_who_asked_not_to_be_asked_again_signs_in_and_is_back_at_the_app(
    app: OAuthClient, person: Person, another_person: AnotherPerson
) -> None:
    await person.open(app.authorize_url(PKCE, scope="vals:read blobs:read"))
    await person.sign_in()
    await person.page.locator("[name='scope.blobs:read']").uncheck()
    await person.page.get_by_label("Do not ask me again for the same").check()
    await person.press("Allow")
    assert await scopes_of(app, person) == {"vals:read"}
    await person.open(app.authorize_url(PKCE, scope="vals:read blobs:read"))
    assert await scopes_of(app, person) == {"vals:read"}
    # The policy of the sign-in page must let its form lead as far as that.
    elsewhere = await another_person()
    await elsewhere.open(app.authorize_url(PKCE, scope="vals:read blobs:read"))
    await elsewhere.sign_in()
    assert await scopes_of(app, elsewhere) == {"vals:read"}


async def test_every_step_works_with_the_keyboard_alone(app: OAuthClient, person: Person) -> None:
    await person.open(app.authorize_url(PKCE))
    await person.page.get_by_label("API token").focus()
    await person.page.keyboard.type(ADA)
    async with person.page.expect_navigation():
        await person.page.keyboard.press("Enter")
    assert person.page.url.startswith(f"{app.issuer}/oauth/consent")
    await person.page.get_by_role("button", name="Allow", exact=True).focus()
    async with person.page.expect_navigation():
        await person.page.keyboard.press("Enter")
    assert person.came_back_with["code"]


async def test_what_is_unticked_is_not_in_the_token(app: OAuthClient, person: Person) -> None:
    await person.open(app.authorize_url(PKCE, scope="vals:read blobs:read sqlite:read"))
    await person.sign_in()
    await person.page.locator("[name='scope.blobs:read']").uncheck()
    await person.press("Allow")
    assert await scopes_of(app, person) == {"vals:read", "sqlite:read"}


@requirement("K220")
async def test_refusing_tells_the_app_and_nothing_else(app: OAuthClient, person: Person) -> None:
    await person.open(app.authorize_url(PKCE, state="s"))
    await person.sign_in()
    await person.press("Refuse")
    told = dict(person.came_back_with)
    told.pop("error_description", None)
    assert told == {"error": "access_denied", "state": "s", "iss": app.issuer}


@requirement("K227")
async def test_going_back_and_allowing_again_gives_no_second_code(
    app: OAuthClient, person: Person, axe: str | None
) -> None:
    await person.open(app.authorize_url(PKCE))
    await person.sign_in()
    await person.press("Allow")
    assert await scopes_of(app, person)
    await person.page.go_back()
    if await person.page.get_by_role("button", name="Allow", exact=True).count():
        await person.press("Allow")
    assert person.page.url.startswith(app.issuer)
    await look_at(person.page, "stale-page", axe)


@requirement("K223")
async def test_a_page_opened_in_another_browser_explains_itself(
    app: OAuthClient, person: Person, another_person: AnotherPerson
) -> None:
    await person.open(app.authorize_url(PKCE))
    await person.sign_in()
    other = await another_person()
    refused = await other.open(person.page.url)
    assert refused.status == httpx.codes.BAD_REQUEST
    assert await other.page.get_by_role("heading").count() == 1
    # The one who began is not disturbed.
    await person.press("Allow")
    assert person.came_back_with["code"]


@requirement("K218")
async def test_a_form_posted_from_another_site_is_not_taken(
    app: OAuthClient, person: Person, services: Deployment
) -> None:
    await person.open(app.authorize_url(PKCE))
    await person.sign_in()
    fields = await person.page.evaluate(
        "Object.fromEntries(new FormData(document.querySelector('form')).entries())"
    )
    page = person.page.url
    inputs = "".join(f"<input name='{name}' value='{value}'>" for name, value in fields.items())
    await person.open(f"{REDIRECT_URI}?attack")
    await person.page.set_content(
        f"<form method=post action='{services.issuer}/oauth/consent'>{inputs}"
        "<button name=decision value=approve>Win</button></form>"
    )
    refused = await person.press("Win")
    assert refused.status in (httpx.codes.BAD_REQUEST, httpx.codes.FORBIDDEN)
    assert person.page.url.startswith(services.issuer)
    await person.open(page)
    await person.press("Allow")
    assert person.came_back_with["code"]


@requirement("K225")
async def test_no_page_can_be_framed(app: OAuthClient, person: Person) -> None:
    await person.open(f"{REDIRECT_URI}?attack")
    await person.page.set_content(f"<iframe src='{app.authorize_url(PKCE)}'></iframe>")
    framed = [await frame.content() for frame in person.page.frames[1:]]
    assert framed
    assert not [html for html in framed if "Val Town MCP" in html]
    await person.open(app.authorize_url(PKCE))
    assert "Val Town MCP" in await person.page.content()
