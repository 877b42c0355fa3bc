"""Damaged sealed values of the authorization server: told to the operator, mended by the person, no 500."""

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from auth_server.domain.generate import digest
from dev.flow import Browser, OAuthClient, Pkce, claims_of
from tests.auth_server.answers import guarded, refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement
from tests.support.damage import DAMAGES, Damage

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES),
]


def session_key(browser: Browser) -> str:
    return f"vt:session:{digest(browser.http.cookies['__Host-vt_session'])}"


@requirement("L229")
async def test_a_damaged_session_is_none_and_signing_in_again_mends_it(
    server: AuthServer, client: OAuthClient, redis: Redis, browser: Browser, damage: Damage
) -> None:
    page = await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
    key = session_key(browser)
    await redis.hset(key, "credential", damage(str(await redis.hget(key, "credential"))))
    with capture_logs() as lines:
        answer = await browser.submit(page, decision="approve")
    assert [line["log_level"] for line in lines if line["event"] == "session does not open"]
    assert {line["log_level"] for line in lines if line["event"] == "session does not open"} == {"error"}
    # The request still waits: nothing was answered.
    assert (answer.status_code, answer.url.path) == (200, "/oauth/sign-in")
    guarded(answer)
    callback = await browser.decide(await browser.sign_in(answer))
    assert "code" in callback.parameters


@requirement("L229")
async def test_a_damaged_answer_of_the_last_refresh_is_told_and_the_newer_token_goes_on(
    server: AuthServer, client: OAuthClient, redis: Redis, damage: Damage
) -> None:
    tokens = await client.tokens(server.browser())
    newer = (await client.refresh(tokens["refresh_token"])).json()
    key = f"vt:{{{claims_of(newer['access_token'])['gid']}}}:successor"
    await redis.set(key, damage(str(await redis.get(key))), keepttl=True)
    with capture_logs() as lines:
        refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    told = [line["log_level"] for line in lines if line["event"] == "refresh answer does not open"]
    assert told == ["error"]
    assert (await client.refresh(newer["refresh_token"])).status_code == 200


@requirement("L229")
async def test_with_a_damaged_signing_key_a_replica_is_alive_and_not_ready(
    open_server: OpenServer, redis: Redis, damage: Damage
) -> None:
    async with open_server() as first:
        assert await first.works()
    kept = await redis.hgetall("vt:{keys}:sealed")
    for kid, sealed in kept.items():
        await redis.hset("vt:{keys}:sealed", kid, damage(sealed))
    with capture_logs() as lines:
        async with open_server() as second:
            assert (await second.visitor().get("/healthz")).status_code == 200
            assert (await second.visitor().get("/readyz")).status_code == 503
            refused(await second.client().http.get("/.well-known/jwks.json"), 503, "temporarily_unavailable")
    assert "UnsealError" in str(lines) or "UnknownKeyError" in str(lines)
    await redis.hset("vt:{keys}:sealed", mapping=kept)
    async with open_server() as third:
        assert await third.works()
