"""A person takes some permissions from an app: what it holds ends, what it gets from then on is less."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from auth_server.models import Client, Grant
from auth_server.store.base import Narrowing
from auth_server.store.redis.grants import RedisGrantStore
from auth_server.store.redis.token_requests import RedisTokenRequestStore
from dev.flow import Browser, Form, OAuthClient, claims_of, forms_of
from shared.revocation import deny_key
from shared.usage import Calls, UsageStore
from tests.auth_server.answers import refused
from tests.auth_server.deployment import GRACE, ISSUER, AuthServer

pytestmark = pytest.mark.anyio

Tokens = dict[str, Any]
SCOPE = "vals:write blobs:read"


@pytest.fixture
async def tokens(client: OAuthClient, browser: Browser) -> Tokens:
    return await client.tokens(browser, scope=SCOPE)


async def narrow_form(browser: Browser) -> Form:
    page = await browser.sign_in(await browser.open(f"{ISSUER}/account"))
    return next(form for form in forms_of(page.text) if form.action.endswith("/narrow"))


async def keep(browser: Browser, *scopes: str, **fields: str) -> str:
    """Keep these scopes; return what the page says then."""
    form = await narrow_form(browser)
    ticked = {name: value for name, value in form.fields.items() if not name.startswith("scope.")}
    ticked |= {f"scope.{scope}": "on" for scope in scopes}
    return await post(browser, {**ticked, "keep": "ticked", **fields})


async def post(browser: Browser, fields: dict[str, str]) -> str:
    answer = await browser.http.post("/account/narrow", data=fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("done=")[2]


async def is_ended(server: AuthServer, tokens: Tokens) -> bool:
    """Return whether resource servers were told to refuse tokens of this version."""
    claims = claims_of(tokens["access_token"])
    return bool(await server.redis.exists(deny_key(claims["gid"], f"v{claims.get('gver', 0)}")))


def refreshed(response: httpx.Response) -> Tokens:
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_what_is_left_is_what_the_next_token_carries(
    server: AuthServer, client: OAuthClient, browser: Browser, tokens: Tokens
) -> None:
    assert "gver" not in claims_of(tokens["access_token"])
    assert await keep(browser, "vals:read", "files:read", "blobs:read") == "narrowed"
    assert await is_ended(server, tokens)
    assert not await server.is_denied(tokens), "the grant itself lives on"
    less = refreshed(await client.refresh(tokens["refresh_token"]))
    assert less["scope"] == claims_of(less["access_token"])["scope"] == "vals:read blobs:read"
    assert claims_of(less["access_token"])["gver"] == 1
    assert not await is_ended(server, less)
    assert (await narrow_form(browser)).fields.keys() >= {"scope.vals:read", "scope.blobs:read"}
    assert await keep(browser, "blobs:read") == "narrowed"
    assert await is_ended(server, less)
    least = refreshed(await client.refresh(less["refresh_token"]))
    assert (least["scope"], claims_of(least["access_token"])["gver"]) == ("blobs:read", 2)


async def test_nothing_ever_comes_back(
    server: AuthServer, client: OAuthClient, browser: Browser, tokens: Tokens
) -> None:
    await keep(browser, "blobs:read")
    assert await keep(browser, "blobs:read", "vals:write", "vals:read", "files:read", "email:send") == "same"
    less = refreshed(await client.refresh(tokens["refresh_token"]))
    assert less["scope"] == "blobs:read"


async def test_a_client_may_go_on_asking_for_what_was_approved_first(
    client: OAuthClient, browser: Browser, tokens: Tokens
) -> None:
    await keep(browser, "vals:read", "files:read")
    # RFC 6749 section 6: never more than was granted first; there is nothing else a client could know.
    less = refreshed(await client.refresh(tokens["refresh_token"], scope=SCOPE))
    assert less["scope"] == "vals:read"
    refused(await client.refresh(less["refresh_token"], scope="blobs:read"), 400, "invalid_scope")
    refused(await client.refresh(less["refresh_token"], scope="email:send"), 400, "invalid_scope")
    assert refreshed(await client.refresh(less["refresh_token"], scope="vals:read"))["scope"] == "vals:read"


async def test_a_code_that_waits_gives_what_is_left(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    code, pkce = await server.code(client, browser, scope=SCOPE)
    assert await keep(browser, "blobs:read") == "narrowed"
    tokens = refreshed(await client.redeem(code, pkce.verifier))
    assert tokens["scope"] == "blobs:read"


async def test_a_repeated_refresh_gets_the_first_answer_whose_access_token_is_ended(
    server: AuthServer, client: OAuthClient, browser: Browser, tokens: Tokens
) -> None:
    first = refreshed(await client.refresh(tokens["refresh_token"]))
    await keep(browser, "blobs:read")
    again = refreshed(await client.refresh(tokens["refresh_token"]))
    assert again == first
    assert await is_ended(server, again)
    assert refreshed(await client.refresh(again["refresh_token"]))["scope"] == "blobs:read"


async def test_introspection_says_that_the_old_token_is_over(
    client: OAuthClient, browser: Browser, tokens: Tokens
) -> None:
    await keep(browser, "blobs:read")
    assert (await client.introspect(tokens["access_token"])).json() == {"active": False}
    less = refreshed(await client.refresh(tokens["refresh_token"]))
    assert (await client.introspect(less["access_token"])).json()["scope"] == "blobs:read"


async def test_an_app_is_not_narrowed_to_nothing(
    server: AuthServer, client: OAuthClient, browser: Browser, tokens: Tokens
) -> None:
    assert await keep(browser) == "nothing"
    assert await keep(browser, "email:send") == "nothing"
    assert await keep(browser, keep="used") == "nothing"
    assert not await is_ended(server, tokens)
    assert refreshed(await client.refresh(tokens["refresh_token"]))["scope"] == SCOPE


async def test_one_click_keeps_what_was_used(
    server: AuthServer, client: OAuthClient, browser: Browser, tokens: Tokens
) -> None:
    calls = Calls()
    calls.add(tool="read_file", scope="files:read")
    await UsageStore(server.redis, server.clock).add(claims_of(tokens["access_token"])["gid"], calls)
    page = await browser.open(f"{ISSUER}/account")
    assert page.text.count("never used") == 4
    assert "1 call in the last 14 days" in page.text
    assert "<code>read_file</code>: 1<" in page.text
    assert ("keep", "used") in (await narrow_form(browser)).buttons
    assert await keep(browser, keep="used") == "narrowed"
    assert refreshed(await client.refresh(tokens["refresh_token"]))["scope"] == "files:read"


async def test_nobody_narrows_what_is_another_persons(
    server: AuthServer, client: OAuthClient, browser: Browser, tokens: Tokens
) -> None:
    grace = server.browser(GRACE)
    await (await server.registered()).tokens(grace, scope=SCOPE)
    gid = claims_of(tokens["access_token"])["gid"]
    assert await keep(grace, "blobs:read", grant=gid) == await keep(grace, "blobs:read", grant="A" * 22)
    assert not await is_ended(server, tokens)
    assert refreshed(await client.refresh(tokens["refresh_token"]))["scope"] == SCOPE
    form = await narrow_form(browser)
    for csrf in ("", (await narrow_form(grace)).fields["csrf"]):
        answer = await browser.http.post(
            "/account/narrow", data={**form.fields, "csrf": csrf, "keep": "used"}
        )
        assert answer.status_code == 403
    assert not await is_ended(server, tokens)


async def narrow_all(grants: RedisGrantStore, grant: Grant) -> None:
    assert await grants.narrow(grant, ("blobs:read",)) is Narrowing.OK


@pytest.fixture
def meanwhile(server: AuthServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a way to do something between a request's look at its grant and its claim, as often as asked."""
    services = server.app.state.services
    find, find_first = services.grants.find, services.token_requests.find

    def arrange(act: Callable[[Grant], Awaitable[None]], times: int) -> None:
        left = [times]

        async def act_on(grant: Grant | None) -> None:
            if grant is not None and left[0]:
                left[0] -= 1
                await act(grant)

        async def find_then_act(self: RedisGrantStore, grant_id: str) -> Grant | None:
            grant: Grant | None = await find(grant_id)
            await act_on(grant)
            return grant

        async def find_first_then_act(
            self: RedisTokenRequestStore, client_id: str, grant_id: str
        ) -> tuple[Client | None, Grant | None]:
            found: tuple[Client | None, Grant | None] = await find_first(client_id, grant_id)
            await act_on(found[1])
            return found

        monkeypatch.setattr(RedisGrantStore, "find", find_then_act)
        monkeypatch.setattr(RedisTokenRequestStore, "find", find_first_then_act)

    return arrange


async def test_no_request_under_way_brings_out_more_than_is_left(
    server: AuthServer, client: OAuthClient, browser: Browser, meanwhile: Callable[..., None]
) -> None:
    code, pkce = await server.code(client, browser, scope=SCOPE)
    grants: RedisGrantStore = server.app.state.services.grants
    meanwhile(lambda grant: narrow_all(grants, grant), 1)
    tokens = refreshed(await client.redeem(code, pkce.verifier))
    assert tokens["scope"] == claims_of(tokens["access_token"])["scope"] == "blobs:read"
    meanwhile(lambda grant: narrow_all(grants, grant), 1)
    again = refreshed(await client.refresh(tokens["refresh_token"]))
    assert claims_of(again["access_token"])["gver"] == 2
    assert not await is_ended(server, again)


async def test_a_grant_that_is_changed_over_and_over_is_503_and_no_token_is_used_up(
    server: AuthServer, client: OAuthClient, tokens: Tokens, meanwhile: Callable[..., None]
) -> None:
    grants: RedisGrantStore = server.app.state.services.grants
    meanwhile(lambda grant: narrow_all(grants, grant), 3)
    answer = await client.refresh(tokens["refresh_token"])
    refused(answer, 503, "temporarily_unavailable")
    assert "retry-after" in answer.headers
    assert refreshed(await client.refresh(tokens["refresh_token"]))["scope"] == "blobs:read"


async def test_of_two_changes_at_once_one_is_told_to_look_again(
    server: AuthServer, tokens: Tokens, redis: Redis
) -> None:
    grants: RedisGrantStore = server.app.state.services.grants
    gid = claims_of(tokens["access_token"])["gid"]
    grant = await grants.find(gid)
    assert grant is not None
    assert await grants.narrow(grant, ("blobs:read",)) is Narrowing.OK
    assert await grants.narrow(grant, ("vals:read",)) is Narrowing.CHANGED
    changed = await grants.find(gid)
    assert changed is not None
    assert (changed.scopes, changed.approved) == (("blobs:read",), grant.scopes)
    await grants.revoke(gid, reason="test")
    assert await grants.narrow(changed, ("blobs:read",)) is Narrowing.GONE
