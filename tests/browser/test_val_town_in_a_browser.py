"""Sign in with Val Town, there and back, in a browser; the sandbox's own page asks the person."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from dev.deployment import SANDBOX, Deployment
from dev.flow import OAuthClient
from tests.browser.looks import look_at
from tests.browser.person import PKCE, Person

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

BUTTON = "Sign in with Val Town"


async def test_there_and_back_and_the_app_is_connected(
    app: OAuthClient, person: Person, services: Deployment
) -> None:
    await person.open(app.authorize_url(PKCE))
    await person.press(BUTTON)
    assert person.page.url.startswith(services.url(SANDBOX))
    await person.page.get_by_label("Account").select_option("ada")
    shown = await person.press("Allow")
    assert shown.status == httpx.codes.OK
    assert person.page.url.startswith(app.issuer)
    await person.press("Allow")
    answer = await app.redeem(person.came_back_with["code"], PKCE.verifier)
    assert answer.status_code == httpx.codes.OK


@pytest.mark.parametrize(
    ("account", "decision", "status"),
    [("ada", "Refuse", httpx.codes.BAD_REQUEST), ("grace", "Allow", httpx.codes.FORBIDDEN)],
)
async def test_who_is_not_signed_in_there_is_told_so_and_can_try_again(
    app: OAuthClient, person: Person, axe: str | None, account: str, decision: str, status: int
) -> None:
    await person.open(app.authorize_url(PKCE))
    await person.press(BUTTON)
    await person.page.get_by_label("Account").select_option(account)
    shown = await person.press(decision)
    assert shown.status == status
    assert person.page.url.startswith(app.issuer)
    await look_at(person.page, f"error-val-town-{account}", axe)
    await person.page.get_by_role("link", name="Sign in again").click()
    await person.sign_in()
    await person.press("Allow")
    assert person.came_back_with["code"]


async def test_the_way_back_works_in_no_other_browser(
    app: OAuthClient, person: Person, another_person: Callable[..., Awaitable[Person]]
) -> None:
    await person.open(app.authorize_url(PKCE))
    form = person.page.url
    await person.press(BUTTON)
    other = await another_person()
    await other.open(person.page.url)
    await other.page.get_by_label("Account").select_option("ada")
    refused = await other.press("Allow")
    assert refused.status == httpx.codes.BAD_REQUEST
    assert other.page.url.startswith(app.issuer)
    await person.open(form)
    await person.press(BUTTON)
    await person.page.get_by_label("Account").select_option("ada")
    shown = await person.press("Allow")
    assert shown.status == httpx.codes.OK
