"""Refresh tokens: rotation, grace, reuse, expiry (RFC 6749 section 6; RFC 9700 section 4.14)."""

import asyncio
import base64
from typing import Any

import httpx
import pytest

from dev.flow import Browser, OAuthClient, claims_of
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

GRACE = 60
IDLE = 2_592_000
GRANT_LIFE = 31_536_000

Tokens = dict[str, Any]


@pytest.fixture
async def tokens(client: OAuthClient, browser: Browser) -> Tokens:
    return await client.tokens(browser, scope="read write")


async def dead(client: OAuthClient, refresh_token: str) -> bool:
    response = await client.refresh(refresh_token)
    return response.status_code == 400 and response.json()["error"] == "invalid_grant"


async def rotated(client: OAuthClient, tokens: Tokens) -> Tokens:
    response = await client.refresh(tokens["refresh_token"])
    assert response.status_code == 200, response.text
    newer: Tokens = response.json()
    return newer


@requirement("O22", "C18", "E94")
async def test_a_refresh_gives_new_tokens_of_the_same_scope(client: OAuthClient, tokens: Tokens) -> None:
    response = await client.refresh(tokens["refresh_token"])
    assert response.headers["cache-control"] == "no-store"
    newer = response.json()
    assert set(newer) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert newer["refresh_token"] != tokens["refresh_token"]
    assert newer["access_token"] != tokens["access_token"]
    assert newer["scope"] == tokens["scope"]


async def test_a_family_goes_on_for_many_generations(client: OAuthClient, tokens: Tokens) -> None:
    for _ in range(10):
        tokens = await rotated(client, tokens)


@requirement("E96", "F1")
async def test_the_same_token_within_the_grace_window_gets_the_same_successor_byte_for_byte(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    first = await client.refresh(tokens["refresh_token"])
    for seconds in (0, 1, 30, GRACE - 32):
        server.clock.advance(seconds)
        again = await client.refresh(tokens["refresh_token"])
        assert again.status_code == 200
        assert again.content == first.content
    assert not await server.is_denied(first.json())
    assert (await client.refresh(first.json()["refresh_token"])).status_code == 200


@requirement("E100")
async def test_the_grace_window_is_measured_from_the_first_use(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    await rotated(client, tokens)
    server.clock.advance(GRACE - 20)
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200
    server.clock.advance(21)
    assert await dead(client, tokens["refresh_token"])


@requirement("O23", "E94", "E95")
async def test_reuse_after_the_grace_window_revokes_the_family(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    newer = await rotated(client, tokens)
    server.clock.advance(GRACE + 1)
    assert not await server.is_denied(newer)
    assert await dead(client, tokens["refresh_token"])
    assert await server.is_denied(newer)
    assert await dead(client, newer["refresh_token"])


@requirement("E97", "E98")
async def test_reuse_of_two_generations_back_revokes_the_family_even_within_the_window(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    newer = await rotated(client, tokens)
    newest = await rotated(client, newer)
    assert await dead(client, tokens["refresh_token"])
    assert await server.is_denied(newest)
    assert await dead(client, newest["refresh_token"])
    assert await dead(client, newer["refresh_token"])


async def test_reuse_of_the_last_generation_within_the_window_does_not_disturb_its_successor(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    newer = await rotated(client, tokens)
    newest = await rotated(client, newer)
    assert (await client.refresh(newer["refresh_token"])).json() == newest
    assert (await client.refresh(newest["refresh_token"])).status_code == 200


async def test_a_token_past_the_window_is_good_while_it_was_never_used(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    server.clock.advance(GRACE * 10)
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


@requirement("O23")
async def test_without_a_grace_window_the_second_use_revokes_at_once(open_server: OpenServer) -> None:
    async with open_server(oauth_refresh_grace_seconds=0) as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        newer = await rotated(client, tokens)
        assert await dead(client, tokens["refresh_token"])
        assert await server.is_denied(newer)
        assert await dead(client, newer["refresh_token"])


async def test_the_grace_window_is_a_setting(open_server: OpenServer) -> None:
    async with open_server(oauth_refresh_grace_seconds=10) as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        newer = await rotated(client, tokens)
        server.clock.advance(9)
        assert (await client.refresh(tokens["refresh_token"])).json() == newer
        server.clock.advance(2)
        assert await dead(client, tokens["refresh_token"])


@requirement("E99")
@pytest.mark.parametrize("count", [2, 12])
async def test_refreshes_at_the_same_moment_all_get_one_successor(
    server: AuthServer, client: OAuthClient, tokens: Tokens, count: int
) -> None:
    answers = await asyncio.gather(*(client.refresh(tokens["refresh_token"]) for _ in range(count)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert (await client.refresh(answers[0].json()["refresh_token"])).status_code == 200


@requirement("E99")
async def test_refreshes_at_two_replicas_get_one_successor(open_server: OpenServer) -> None:
    async with open_server() as one, open_server() as two:
        client = await one.registered()
        tokens = await client.tokens(one.browser())
        elsewhere = two.client()
        elsewhere.client_id, elsewhere.client_secret = client.client_id, client.client_secret
        answers = await asyncio.gather(
            *(each.refresh(tokens["refresh_token"]) for each in (client, elsewhere) * 6)
        )
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1


@requirement("E99")
async def test_without_a_grace_window_one_of_many_at_the_same_moment_wins_and_the_family_ends(
    open_server: OpenServer,
) -> None:
    async with open_server(oauth_refresh_grace_seconds=0) as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        answers = await asyncio.gather(*(client.refresh(tokens["refresh_token"]) for _ in range(8)))
        good = [answer for answer in answers if answer.status_code == 200]
        assert len(good) == 1
        assert await dead(client, good[0].json()["refresh_token"])


@requirement("O22", "E101")
async def test_another_client_is_refused_and_the_family_lives_on(
    server: AuthServer, client: OAuthClient, public_client: OAuthClient, tokens: Tokens
) -> None:
    other = await server.registered()
    for thief in (other, public_client):
        assert await dead(thief, tokens["refresh_token"])
    newer = await rotated(client, tokens)
    # Neither the grace window nor a late replay helps somebody else, or harms the owner.
    for thief in (other, public_client):
        assert await dead(thief, tokens["refresh_token"])
    server.clock.advance(GRACE + 1)
    assert await dead(other, tokens["refresh_token"])
    assert not await server.is_denied(newer)
    assert (await client.refresh(newer["refresh_token"])).status_code == 200


@requirement("E101")
async def test_a_wrong_secret_is_refused_and_the_family_lives_on(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    newer = await rotated(client, tokens)
    server.clock.advance(GRACE + 1)
    refused(await client.refresh(tokens["refresh_token"], client_secret="wrong"), 401, "invalid_client")
    assert (await client.refresh(newer["refresh_token"])).status_code == 200


def _forged(token: str) -> list[str]:
    """Tokens with the family's id, and every part but the MAC at will."""
    raw = bytearray(base64.urlsafe_b64decode(token.removeprefix("vtr_") + "=" * (-len(token[4:]) % 4)))

    def encoded(data: bytes) -> str:
        return "vtr_" + base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    changed = []
    for position in (0, 16, 19, 20, 51, 52, len(raw) - 1):
        copy = bytearray(raw)
        copy[position] ^= 1
        changed.append(encoded(bytes(copy)))
    older = bytearray(raw)
    older[16:20] = bytes(4)
    newer = bytearray(raw)
    newer[16:20] = b"\xff" * 4
    return [
        *changed,
        encoded(bytes(older)),
        encoded(bytes(newer)),
        encoded(bytes(raw[:-1])),
        encoded(bytes(raw) + b"\x00"),
        encoded(bytes(raw[:52]) + bytes(16)),
    ]


@requirement("E111", "E112")
async def test_forged_tokens_do_not_touch_the_family_they_name(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    newer = await rotated(client, tokens)
    server.clock.advance(GRACE + 1)
    for forged in _forged(tokens["refresh_token"]) + _forged(newer["refresh_token"]):
        assert await dead(client, forged)
    assert not await server.is_denied(newer)
    assert (await client.refresh(newer["refresh_token"])).status_code == 200


@requirement("E106")
async def test_malformed_tokens_are_refused(client: OAuthClient, tokens: Tokens) -> None:
    token = tokens["refresh_token"]
    malformed = [
        "unknown",
        "vtr_",
        token[:-1],
        token + "A",
        token + "=",
        token + "\n",
        " " + token,
        token.removeprefix("vtr_"),
        "VTR_" + token.removeprefix("vtr_"),
        tokens["access_token"],
        "vtr_" + "A" * 91,
        "vtr_" + "A" * 60_000,
        "vtr_ü",
        "\x00",
    ]
    for text in malformed:
        assert await dead(client, text)
    assert (await client.refresh(token)).status_code == 200


@requirement("O22", "E103")
@pytest.mark.parametrize("scope", ["email:send", "read write email:send", "env:write", "read env:write"])
async def test_more_scope_than_granted_is_refused_and_nothing_is_rotated(
    client: OAuthClient, tokens: Tokens, scope: str
) -> None:
    refused(await client.refresh(tokens["refresh_token"], scope=scope), 400, "invalid_scope")
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize("scope", ["unknown", "read  write", "\x00", "x" * 2000, 'a"b'])
async def test_a_malformed_scope_is_refused_and_nothing_is_rotated(
    client: OAuthClient, tokens: Tokens, scope: str
) -> None:
    refused(await client.refresh(tokens["refresh_token"], scope=scope), 400, "invalid_scope")
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


@requirement("O22", "E103")
async def test_less_scope_narrows_this_access_token_alone(client: OAuthClient, tokens: Tokens) -> None:
    narrowed = (await client.refresh(tokens["refresh_token"], scope="vals:read")).json()
    assert narrowed["scope"] == "vals:read"
    assert claims_of(narrowed["access_token"])["scope"] == "vals:read"
    full = await rotated(client, narrowed)
    assert full["scope"] == tokens["scope"]
    again = (await client.refresh(full["refresh_token"], scope="read write")).json()
    assert again["scope"] == "read write"


async def test_offline_access_may_be_repeated_and_adds_nothing(client: OAuthClient, tokens: Tokens) -> None:
    newer = (await client.refresh(tokens["refresh_token"], scope="read offline_access")).json()
    assert newer["scope"] == "read"


@requirement("O24", "E108")
async def test_a_refresh_token_dies_when_it_is_not_used(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    server.clock.advance(IDLE - 10)
    newer = await rotated(client, tokens)
    server.clock.advance(IDLE - 10)
    newest = await rotated(client, newer)
    server.clock.advance(IDLE + 1)
    assert await dead(client, newest["refresh_token"])


@requirement("E107")
async def test_a_grant_ends_however_often_it_is_used(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    step = IDLE - 100
    for _ in range(GRANT_LIFE // step):
        server.clock.advance(step)
        tokens = await rotated(client, tokens)
    server.clock.advance(GRANT_LIFE % step + 1)
    assert await dead(client, tokens["refresh_token"])


@requirement("E108")
async def test_expiry_is_judged_before_the_grace_window(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    server.clock.advance(IDLE + 1)
    assert await dead(client, tokens["refresh_token"])
    # An expired token is no theft: what was issued before is not revoked for it.
    assert not await server.is_denied(tokens)


async def test_the_lives_of_refresh_token_and_grant_are_settings(open_server: OpenServer) -> None:
    async with open_server(oauth_refresh_token_ttl=100, oauth_grant_ttl=150) as server:
        client = await server.registered()
        tokens = await client.tokens(server.browser())
        server.clock.advance(99)
        newer = await rotated(client, tokens)
        server.clock.advance(52)
        assert await dead(client, newer["refresh_token"])
        idle = await client.tokens(server.browser())
        server.clock.advance(101)
        assert await dead(client, idle["refresh_token"])


@requirement("L234")
async def test_the_record_of_a_grant_outlives_its_tokens_and_not_by_much(
    server: AuthServer, client: OAuthClient, tokens: Tokens
) -> None:
    grant_id = claims_of(tokens["access_token"])["gid"]
    for name in ("grant", "credential"):
        assert IDLE - 60 < await server.redis.ttl(f"vt:{{{grant_id}}}:{name}") <= IDLE
    newer = await rotated(client, tokens)
    server.clock.advance(GRACE + 1)
    assert await dead(client, tokens["refresh_token"])
    assert await server.redis.ttl(f"vt:{{{grant_id}}}:grant") <= 86_400
    assert not await server.redis.exists(f"vt:{{{grant_id}}}:credential")
    assert await server.is_denied(newer)


@pytest.mark.parametrize("changes", [{"refresh_token": ""}, {"grant_type": ""}])
async def test_a_faulty_refresh_request_is_refused(
    client: OAuthClient, tokens: Tokens, changes: dict[str, str]
) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **changes}
    refused(await client.post("/oauth/token", form), 400, "invalid_request")
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


@requirement("O5")
async def test_a_repeated_refresh_token_is_refused(client: OAuthClient, tokens: Tokens) -> None:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": [tokens["refresh_token"], "other"],
        "client_id": client.client_id,
        "client_secret": client.client_secret or "",
    }
    refused(await client.http.post("/oauth/token", data=form), 400, "invalid_request")
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


@requirement("F1")
async def test_a_lost_answer_can_be_asked_for_again(client: OAuthClient, tokens: Tokens) -> None:
    # The client never read the first answer; it still holds the old token.
    lost: httpx.Response = await client.refresh(tokens["refresh_token"])
    again = await client.refresh(tokens["refresh_token"])
    assert again.json() == lost.json()
    assert (await client.refresh(again.json()["refresh_token"])).status_code == 200
