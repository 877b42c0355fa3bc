"""offline_access opens no tool: alone it means the default scope at first, and nothing at a refresh."""

import pytest

from dev.flow import Browser, OAuthClient
from shared.policy import DEFAULT_SCOPE
from tests.auth_server.answers import refused

pytestmark = pytest.mark.anyio


async def test_alone_at_the_authorization_endpoint_it_comes_with_the_default_scope(
    client: OAuthClient, browser: Browser
) -> None:
    tokens = await client.tokens(browser, scope="offline_access")
    assert set(tokens["scope"].split()) == {*DEFAULT_SCOPE.split(), "offline_access"}


async def test_with_another_scope_it_adds_nothing(client: OAuthClient, browser: Browser) -> None:
    tokens = await client.tokens(browser, scope="user:read offline_access")
    assert set(tokens["scope"].split()) == {"user:read", "offline_access"}


async def test_alone_at_a_refresh_it_is_an_invalid_scope_and_nothing_is_rotated(
    client: OAuthClient, browser: Browser
) -> None:
    tokens = await client.tokens(browser, scope="read offline_access")
    answer = await client.refresh(tokens["refresh_token"], scope="offline_access")
    refused(answer, 400, "invalid_scope")
    both = await client.refresh(tokens["refresh_token"], scope="user:read offline_access")
    assert set(both.json()["scope"].split()) == {"user:read", "offline_access"}
