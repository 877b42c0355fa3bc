"""`prompt`: a request that asks for a new sign-in gets one (OpenID Connect Core section 3.1.2.1)."""

from urllib.parse import urlsplit

import httpx
import pytest

from dev.flow import Browser, OAuthClient, Pkce
from tests.auth_server.deployment import ADA, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


@pytest.fixture
async def signed_in(client: OAuthClient, browser: Browser) -> Browser:
    await client.tokens(browser)
    return browser


def step_of(response: httpx.Response) -> str:
    assert response.status_code == 303
    return urlsplit(response.headers["location"]).path


@requirement("A30")
@pytest.mark.parametrize("prompt", ["login", "select_account", "login consent"])
async def test_a_live_session_does_not_answer_a_request_that_asks_for_a_new_sign_in(
    client: OAuthClient, signed_in: Browser, prompt: str
) -> None:
    begun = await signed_in.http.get(client.authorize_url(Pkce.new(), prompt=prompt))
    assert step_of(begun) == "/oauth/sign-in"
    handle = urlsplit(begun.headers["location"]).query
    # Somebody who knows the pages skips the first one.
    assert step_of(await signed_in.http.get(f"/oauth/consent?{handle}")) == "/oauth/sign-in"
    form = {"txn": handle.removeprefix("txn="), "decision": "approve", "scope.user:read": "on"}
    assert step_of(await signed_in.http.post("/oauth/consent", data=form)) == "/oauth/sign-in"
    page = await signed_in.submit(await signed_in.follow(begun), api_token=ADA)
    assert "code" in (await signed_in.decide(page)).parameters


async def test_a_request_of_the_same_browser_that_asks_for_nothing_goes_on(
    client: OAuthClient, signed_in: Browser
) -> None:
    waiting = await signed_in.http.get(client.authorize_url(Pkce.new(), prompt="login"))
    for prompt in (None, "consent"):
        begun = await signed_in.http.get(client.authorize_url(Pkce.new(), prompt=prompt))
        assert step_of(begun) == "/oauth/consent"
        assert "code" in (await signed_in.decide(await signed_in.follow(begun))).parameters
    handle = urlsplit(waiting.headers["location"]).query
    assert step_of(await signed_in.http.get(f"/oauth/consent?{handle}")) == "/oauth/sign-in"


async def test_without_a_session_every_request_leads_to_sign_in(
    server: AuthServer, client: OAuthClient
) -> None:
    for prompt in (None, "login"):
        begun = await server.visitor().get(client.authorize_url(Pkce.new(), prompt=prompt))
        assert step_of(begun) == "/oauth/sign-in"
