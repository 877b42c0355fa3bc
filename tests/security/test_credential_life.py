"""A Val Town token is kept from the moment it is known to be good until nothing may use it any more."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from redis.asyncio import Redis

from dev.flow import OAuthClient, Pkce, claims_of
from shared.credentials import credential_key
from tests.auth_server.answers import told_to_the_person
from tests.auth_server.deployment import ADA, Answer
from tests.requirements import requirement
from tests.security.deployment import Deployment
from tests.security.dump import take_dump

pytestmark = pytest.mark.anyio

End = Callable[[OAuthClient, dict[str, str], Deployment], Awaitable[object]]


@pytest.fixture
async def raw(redis_url: str, redis: Redis, anyio_backend: str) -> AsyncIterator[Redis]:
    """Return a client that reads bytes."""
    async with Redis.from_url(redis_url) as client:
        yield client


async def kept_in(raw: Redis) -> set[bytes]:
    """Return every key but the counts of attempts, which hold no more than a time, and their timelines.

    Those are written beside the requests; that they hold no secret is what `test_flow_timeline` proves.
    """
    return {key async for key in raw.scan_iter() if not key.startswith((b"vt:limit:", b"vt:flow:"))}


async def by_the_client(client: OAuthClient, tokens: dict[str, str], _deployment: Deployment) -> None:
    await client.revoke(tokens["refresh_token"])


async def by_reuse(client: OAuthClient, tokens: dict[str, str], deployment: Deployment) -> None:
    await client.refresh(tokens["refresh_token"])
    deployment.auth.clock.advance(61)
    await client.refresh(tokens["refresh_token"])


@requirement("L234")
@pytest.mark.parametrize("end", [by_the_client, by_reuse])
async def test_with_a_grant_its_ciphertexts_go(deployment: Deployment, raw: Redis, end: End) -> None:
    client = deployment.client()
    await client.register()
    tokens = await client.tokens(deployment.browser())
    others = await client.tokens(deployment.browser())
    kept = credential_key(claims_of(tokens["access_token"])["gid"])
    sealed = str(await deployment.redis.get(kept))
    assert (await take_dump(raw)).holds(sealed)
    await end(client, tokens, deployment)
    assert not (await take_dump(raw)).holds(sealed)
    assert not await deployment.redis.exists(kept)
    # Of the other grant of the same person it stays.
    assert await deployment.redis.exists(credential_key(claims_of(others["access_token"])["gid"]))


@requirement("L234")
async def test_a_code_that_nobody_redeems_takes_its_credential_along(deployment: Deployment) -> None:
    client = deployment.client()
    await client.register()
    callback = await deployment.browser().approve(client.authorize_url(Pkce.new()))
    grant_id = callback.parameters["code"].removeprefix("vtac_").partition(".")[0]
    assert 0 < await deployment.redis.ttl(credential_key(grant_id)) <= 120


def refusing(status: int) -> Answer:
    return lambda _request: httpx.Response(status, json={"message": "no"})


@requirement("L235")
@pytest.mark.parametrize(
    ("fault", "token", "status"),
    [
        (None, "vtwn_mistyped", 400),
        (None, "", 400),
        (None, "a token", 400),
        (refusing(401), ADA, 400),
        (refusing(403), ADA, 400),
        (refusing(500), ADA, 503),
    ],
)
async def test_a_token_that_val_town_does_not_vouch_for_is_not_kept(
    deployment: Deployment, raw: Redis, fault: Answer | None, token: str, status: int
) -> None:
    client, browser = deployment.client(), deployment.browser()
    await client.register()
    page = await browser.open(client.authorize_url(Pkce.new()))
    before = await kept_in(raw)
    deployment.auth.val_town.fault = fault
    told_to_the_person(await browser.send(page, api_token=token), status)
    assert await kept_in(raw) == before
    assert "__Host-vt_session" not in browser.http.cookies
    # The page is still good for a right one.
    deployment.auth.val_town.fault = None
    answer = await browser.send(page, api_token=ADA)
    assert answer.status_code == 303
    assert "__Host-vt_session" in browser.http.cookies
