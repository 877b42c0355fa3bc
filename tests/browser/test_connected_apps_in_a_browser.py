"""/account in a browser: what it looks like, and that pressing its buttons takes access back."""

import httpx
import pytest

from dev.flow import OAuthClient, claims_of
from shared.clock import Clock
from shared.redis.client import connect as connect_to
from shared.usage import Calls, UsageStore
from tests.browser.looks import look_at
from tests.browser.person import PKCE, Person
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]


async def use(store: str, grant_id: str) -> None:
    """Note calls of an app, as the MCP server does every ten seconds."""
    calls = Calls()
    for _ in range(3):
        calls.add(tool="list_my_vals", scope="vals:read")
    calls.add(tool="whoami", scope=None)
    clock = Clock(-3 * 86_400)
    async with connect_to(store) as redis:
        await UsageStore(redis, clock).add(grant_id, calls)
        await UsageStore(redis, Clock()).add(grant_id, calls)


async def connect(app: OAuthClient, person: Person) -> dict[str, str]:
    """Connect the app; return its tokens."""
    await person.open(app.authorize_url(PKCE, scope="vals:read blobs:read"))
    if await person.page.get_by_label("API token").count():
        await person.sign_in()
    await person.press("Allow")
    answer = await app.redeem(person.came_back_with["code"], PKCE.verifier)
    return dict(answer.json())


@requirement("O33")
async def test_a_person_looks_at_their_apps_and_disconnects_them(
    store: str, app: OAuthClient, person: Person, axe: str | None
) -> None:
    issued = [await connect(app, person), await connect(app, person)]
    tokens = [each["refresh_token"] for each in issued]
    await use(store, claims_of(issued[0]["access_token"])["gid"])
    shown = await person.open(f"{app.issuer}/account")
    assert shown.status == httpx.codes.OK
    await look_at(person.page, "account", axe)
    for summary in await person.page.locator("summary").all():
        await summary.click()
    assert await person.page.get_by_text("See your vals").first.is_visible()
    assert await person.page.get_by_text("list_my_vals").is_visible()
    await look_at(person.page, "account-opened", axe)
    await person.press("Keep what was used by Notebook")
    said = await person.page.get_by_role("status").inner_text()
    assert said == "The app has fewer permissions now, from its next call on."
    first = person.page.get_by_role("button", name="Disconnect").first
    async with person.page.expect_navigation():
        await first.click()
    assert await person.page.get_by_role("status").inner_text() == (
        "The app is disconnected. Its next call is refused."
    )
    await look_at(person.page, "account-disconnected", axe)
    answers = [(await app.refresh(token)).status_code for token in tokens]
    assert sorted(answers) == [200, 400]
    await person.page.get_by_label("take access back").check()
    await person.press("Disconnect every app")
    assert await person.page.get_by_text("No app is connected").is_visible()
    await look_at(person.page, "account-empty", axe)
    await person.press("Sign out of this page")
    await look_at(person.page, "account-signed-out", axe)


async def test_the_page_asks_to_sign_in_and_needs_no_script(
    app: OAuthClient, person: Person, axe: str | None
) -> None:
    await person.open(f"{app.issuer}/account")
    await look_at(person.page, "account-sign-in", axe)
    await person.sign_in()
    assert person.page.url == f"{app.issuer}/account"
