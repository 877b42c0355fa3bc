"""Every page that refuses something, met as people meet it, and looked at."""

from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest
from playwright.async_api import Response, Route
from starlette.datastructures import State

from auth_server.domain.limits import SIGN_IN_ATTEMPTS
from auth_server.endpoints.errors import answer_bug
from dev.deployment import SANDBOX, Deployment
from dev.flow import OAuthClient
from shared.refusals import pages
from shared.refusals.refusal import Refusal
from tests.browser.looks import look_at
from tests.browser.person import ADA, GRACE, PKCE, Person
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

Journey = Callable[[Person, OAuthClient], Awaitable[Response]]


async def to_an_unknown_app(person: Person, app: OAuthClient) -> Response:
    return await person.open(app.authorize_url(PKCE, client_id="client_that_is_unknown"))


async def to_a_page_without_its_request(person: Person, app: OAuthClient) -> Response:
    return await person.open(f"{app.issuer}/oauth/consent?txn=over")


async def with_a_wrong_token(person: Person, app: OAuthClient) -> Response:
    await person.open(app.authorize_url(PKCE))
    return await person.sign_in("vtwn_that_is_wrong")


async def with_everything_unticked(person: Person, app: OAuthClient) -> Response:
    await person.open(app.authorize_url(PKCE, scope="vals:read blobs:read"))
    await person.sign_in()
    for box in await person.page.locator("[name^='scope.']").all():
        await box.uncheck()
    return await person.press("Allow")


async def after_signing_in_once_more(person: Person, app: OAuthClient) -> Response:
    await person.open(app.authorize_url(PKCE))
    await person.sign_in()
    window = await person.context.new_page()
    await window.goto(app.authorize_url(PKCE, prompt="login"))
    await window.get_by_label("API token").fill(ADA)
    async with window.expect_navigation():
        await window.get_by_role("button", name="Sign in with the token", exact=True).click()
    return await person.press("Allow")


async def as_somebody_who_is_not_admitted(person: Person, app: OAuthClient) -> Response:
    await person.open(app.authorize_url(PKCE))
    return await person.sign_in(GRACE)


async def with_one_token_after_another(person: Person, app: OAuthClient) -> Response:
    await person.open(app.authorize_url(PKCE))
    for number in range(SIGN_IN_ATTEMPTS.burst):
        await person.sign_in(f"vtwn_guess_{number}")
    return await person.sign_in("vtwn_one_more")


async def while_something_is_broken(person: Person, app: OAuthClient) -> Response:
    """Show the page that a bug gives: what provokes one is not known, or it would be mended."""
    url = app.authorize_url(PKCE)
    state = State({"base_path": ""})
    scope = {
        "type": "http",
        "path": "/oauth/authorize",
        "headers": [],
        "app": type("App", (), {"state": state}),
    }
    broken = answer_bug(scope)

    async def fulfil(route: Route) -> None:
        await route.fulfill(status=broken.status_code, headers=dict(broken.headers), body=bytes(broken.body))

    await person.page.route(url, fulfil)
    return await person.open(url)


JOURNEYS: dict[str, tuple[Refusal, Journey]] = {
    "untrusted-redirect": (pages.UNTRUSTED_REDIRECT, to_an_unknown_app),
    "stale": (pages.STALE_PAGE, to_a_page_without_its_request),
    "sign-in-refused": (pages.SIGN_IN_REFUSED, with_a_wrong_token),
    "no-decision": (pages.NO_DECISION, with_everything_unticked),
    "foreign-form": (pages.FOREIGN_FORM, after_signing_in_once_more),
    "not-admitted": (pages.NOT_ADMITTED, as_somebody_who_is_not_admitted),
    "too-many-attempts": (pages.TOO_MANY_ATTEMPTS, with_one_token_after_another),
    "broken": (pages.BROKEN_PAGE, while_something_is_broken),
}


@requirement("K225")
@pytest.mark.parametrize("name", JOURNEYS)
async def test_the_page_is_the_one_that_the_table_promises(
    app: OAuthClient, person: Person, axe: str | None, name: str
) -> None:
    refusal, journey = JOURNEYS[name]
    shown = await journey(person, app)
    await _is_shown(person, shown, refusal)
    await look_at(person.page, f"error-{name}", axe)


@pytest.fixture
def without_val_town(services: Deployment) -> Iterator[Deployment]:
    """Return the services while Val Town is down."""
    services.stop(SANDBOX)
    yield services
    services.start()


async def test_while_val_town_is_down_the_page_says_so_and_nothing_is_lost(
    app: OAuthClient, person: Person, axe: str | None, without_val_town: Deployment
) -> None:
    await person.open(app.authorize_url(PKCE))
    shown = await person.sign_in()
    await _is_shown(person, shown, pages.UNAVAILABLE_PAGE)
    await look_at(person.page, "error-unavailable", axe)
    without_val_town.start()
    # What the page advises: the browser sends the form once more.
    reloaded = await person.page.reload()
    assert reloaded is not None
    assert reloaded.status == httpx.codes.OK
    await person.press("Allow")
    assert person.came_back_with["code"]


def test_no_refusal_that_people_meet_is_left_out() -> None:
    looked_at = {id(refusal) for refusal, _ in JOURNEYS.values()} | {id(pages.UNAVAILABLE_PAGE)}
    assert {id(refusal) for refusal in pages.PAGES} == looked_at


async def _is_shown(person: Person, shown: Response, refusal: Refusal) -> None:
    assert shown.status == refusal.status
    headers = await shown.all_headers()
    for name in refusal.headers:
        assert name.partition(":")[0].lower() in headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert await person.page.get_by_role("heading", level=1).count() == 1
