"""Who counts as admitted is judged anew after every restart: by the mode of now, and by the list of now."""

import httpx
import pytest
from redis.asyncio import Redis

from dev.flow import Browser, OAuthClient, Pkce, forms_of
from mcp_server.sandbox.accounts import ADA as ADA_ACCOUNT
from mcp_server.sandbox.accounts import GRACE as GRACE_ACCOUNT
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ADA, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

OWNER_MODE = {"val_town_api_token": ADA}
WITHOUT_ADA = {"oauth_allowed_users": GRACE_ACCOUNT.username}
WITH_ADA = {"oauth_allowed_users": f"{GRACE_ACCOUNT.username},{ADA_ACCOUNT.username}"}


def moved(browser: Browser, server: AuthServer) -> Browser:
    """Return the same browser in front of a server with other settings."""
    after = server.browser(browser.api_token)
    after.http.cookies.update(browser.http.cookies)
    return after


def again(client: OAuthClient, server: AuthServer) -> OAuthClient:
    """Return the same client in front of a server with other settings."""
    after = server.client(client.redirect_uri)
    after.client_id, after.client_secret = client.client_id, client.client_secret
    return after


async def at_consent(server: AuthServer) -> tuple[Browser, httpx.Response]:
    """Return Ada's browser, signed in, with a consent page that she has not answered."""
    browser, client = server.browser(), await server.registered()
    page = await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
    assert ("decision", "approve") in forms_of(page.text)[0].buttons
    return browser, page


async def grants_in(redis: Redis) -> list[str]:
    return [key async for key in redis.scan_iter(match="vt:{*}:grant")]


async def leads_to_sign_in(browser: Browser, page: httpx.Response) -> bool:
    """Return whether neither the page nor its answer is taken from this browser's session."""
    shown = await browser.http.get(str(page.url))
    answered = await browser.send(page, decision="approve")
    return all(
        response.status_code == 303 and response.headers["location"].startswith("/oauth/sign-in?txn=")
        for response in (shown, answered)
    )


@requirement("K222")
@pytest.mark.parametrize(
    ("before", "after"),
    [({}, OWNER_MODE), (OWNER_MODE, {}), ({}, WITHOUT_ADA)],
    ids=["owner mode on", "owner mode off", "not allowed any more"],
)
async def test_a_session_of_before_does_not_count_and_a_new_sign_in_decides(
    open_server: OpenServer, redis: Redis, before: dict[str, str], after: dict[str, str]
) -> None:
    async with open_server(**before) as server:
        browser, page = await at_consent(server)
    async with open_server(**after) as server:
        browser = moved(browser, server)
        assert await leads_to_sign_in(browser, page)
        assert await grants_in(redis) == []
        answer = await browser.submit(await browser.open(str(page.url)), api_token=ADA)
        if after is WITHOUT_ADA:
            assert answer.status_code == 403
        else:
            assert "code" in (await browser.decide(answer)).parameters


@pytest.mark.parametrize("same", [{}, OWNER_MODE, WITH_ADA], ids=["open", "owner mode", "allowed"])
async def test_a_session_outlives_a_restart_that_changes_nothing_for_it(
    open_server: OpenServer, redis: Redis, same: dict[str, str]
) -> None:
    async with open_server(**({} if same is WITH_ADA else same)) as server:
        browser, page = await at_consent(server)
    async with open_server(**same) as server:
        browser = moved(browser, server)
        assert not await leads_to_sign_in(browser, page)
        assert len(await grants_in(redis)) == 1


@requirement("E109", "H174")
async def test_the_refresh_token_of_somebody_no_longer_allowed_is_refused_and_ends_the_grant(
    open_server: OpenServer,
) -> None:
    async with open_server() as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
    async with open_server(**WITHOUT_ADA) as server:
        refused(await again(client, server).refresh(tokens["refresh_token"]), 400, "invalid_grant")
        assert await server.is_denied(tokens)
    async with open_server() as server:
        # Who is let in again signs in again: what was revoked stays so.
        refused(await again(client, server).refresh(tokens["refresh_token"]), 400, "invalid_grant")


async def test_the_refresh_token_of_somebody_still_allowed_goes_on(open_server: OpenServer) -> None:
    async with open_server() as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
    async with open_server(**WITH_ADA) as server:
        assert (await again(client, server).refresh(tokens["refresh_token"])).status_code == 200
        assert not await server.is_denied(tokens)
