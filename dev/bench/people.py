"""People who connect an app, many at once: the grants, codes and refresh tokens that a load needs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final, TypeVar

import httpx

from dev.bench.rows import SANDBOX_TOKEN
from dev.flow import Browser, FlowError, OAuthClient, Pkce

AT_ONCE: Final = 8
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.2

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Connected:
    """A live grant: an access token, and the form that refreshes it."""

    access_token: str = field(repr=False)
    refresh_form: Mapping[str, str] = field(repr=False)


async def connected(issuer: str, count: int) -> list[Connected]:
    """Connect an app so many times."""

    async def one(client: OAuthClient, browser: Browser) -> Connected:
        tokens = await client.tokens(browser)
        form = {"grant_type": "refresh_token", "client_id": client.client_id}
        return Connected(tokens["access_token"], {**form, "refresh_token": tokens["refresh_token"]})

    return await _many(issuer, count, one)


async def refresh_forms(issuer: str, count: int) -> list[Mapping[str, str]]:
    """Connect an app so many times; return a form for each grant that refreshes it."""
    return [each.refresh_form for each in await connected(issuer, count)]


async def code_forms(issuer: str, count: int) -> list[dict[str, str]]:
    """Let a person approve so many times; return a form for each that redeems the code."""

    async def one(client: OAuthClient, browser: Browser) -> dict[str, str]:
        pkce = Pkce.new()
        callback = await browser.approve(client.authorize_url(pkce))
        form = {"grant_type": "authorization_code", "client_id": client.client_id}
        return {**form, "code": callback.parameters["code"], "code_verifier": pkce.verifier}

    return await _many(issuer, count, one)


async def _many(
    issuer: str, count: int, one: Callable[[OAuthClient, Browser], Awaitable[Made]]
) -> list[Made]:
    made: list[Made] = []
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        client = OAuthClient(http, issuer)
        await client.register(token_endpoint_auth_method="none")

        async def work(share: int) -> None:
            visitor = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
            browser = Browser(visitor, SANDBOX_TOKEN)
            own = OAuthClient(visitor, issuer, client_id=client.client_id)
            made.extend([await _persistently(one, own, browser) for _ in range(share)])

        lanes = min(AT_ONCE, count)
        await asyncio.gather(*(work(len(range(lane, count, lanes))) for lane in range(lanes)))
    return made


async def _persistently(
    one: Callable[[OAuthClient, Browser], Awaitable[Made]], client: OAuthClient, browser: Browser
) -> Made:
    """Try again as a person does, since a computer that is busy with something else makes the store slow."""
    for _ in range(_TRIES - 1):
        try:
            return await one(client, browser)
        except FlowError:
            await asyncio.sleep(_PAUSE_SECONDS)
    return await one(client, browser)
