"""`python -m auth_server grants`: the operator sees what people approved, and takes it back."""

from pathlib import Path
from typing import Any

import pytest

from dev.flow import OAuthClient, claims_of
from tests.auth_server.answers import refused
from tests.auth_server.deployment import GRACE, AuthServer
from tests.support.operator import Operator

pytestmark = pytest.mark.anyio

FIELDS = {
    "grant_id",
    "client_id",
    "client_name",
    "subject",
    "username",
    "scopes",
    "vals",
    "resource",
    "created_at",
    "used_at",
    "expires_at",
    "status",
}


@pytest.fixture
def grants(server: AuthServer, redis_url: str, tmp_path: Path) -> Operator:
    """Return the way to run the commands."""
    return Operator("grants", redis_url, tmp_path)


def id_of(tokens: dict[str, Any]) -> str:
    """Return the id of the grant that tokens were issued from."""
    return str(claims_of(tokens["access_token"])["gid"])


async def test_grants_are_listed_newest_first_by_user_and_by_app(
    server: AuthServer, grants: Operator, client: OAuthClient, public_client: OAuthClient
) -> None:
    of_ada = id_of(await client.tokens(server.browser()))
    server.clock.advance(100)
    of_grace = id_of(await client.tokens(server.browser(GRACE)))
    server.clock.advance(100)
    newest = id_of(await public_client.tokens(server.browser()))

    async def listed(*arguments: str) -> list[str]:
        return [grant["grant_id"] for grant in await grants.json("list", *arguments)]

    assert await listed() == [newest, of_grace, of_ada]
    assert await listed("--user", "ada") == [newest, of_ada]
    assert await listed("--user", "GRACE") == [of_grace]
    assert await listed("--user", "nobody") == []
    assert await listed("--client", client.client_id) == [of_grace, of_ada]
    assert await listed("--client", client.client_id, "--user", "ada") == [of_ada]
    ended = await grants("list", "--limit", "2")
    assert ended.returncode == 0
    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["grant_id", newest, of_grace]
    # People are told that this is not all; scripts can read on.
    assert "3" in ended.stderr


async def test_a_grant_is_shown_with_its_app_and_without_any_secret(
    server: AuthServer, grants: Operator, client: OAuthClient
) -> None:
    tokens = await client.tokens(server.browser())
    shown = await grants.json("show", id_of(tokens))
    assert set(shown) == FIELDS
    assert (shown["username"], shown["status"]) == ("ada", "active")
    assert shown["client_name"] != ""
    for arguments in (
        ("list",),
        ("show", id_of(tokens)),
        ("list", "--json"),
        ("show", id_of(tokens), "--json"),
    ):
        ended = await grants(*arguments)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert id_of(tokens) in ended.stdout
        record = await server.redis.hgetall(f"vt:{{{id_of(tokens)}}}:grant")
        for secret in (tokens["refresh_token"], record["refresh"], "vtwn_"):
            assert secret not in ended.stdout


async def test_one_grant_is_revoked_and_its_neighbour_lives(
    server: AuthServer, grants: Operator, client: OAuthClient
) -> None:
    tokens, kept = await client.tokens(server.browser()), await client.tokens(server.browser())
    assert await grants.json("revoke", id_of(tokens)) == {"revoked": [id_of(tokens)]}
    refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    assert await server.is_denied(tokens)
    assert (await client.refresh(kept["refresh_token"])).status_code == 200
    assert not await server.is_denied(kept)
    again = await grants("revoke", id_of(tokens))
    assert (again.returncode, again.stdout) == (1, "")
    assert len(again.stderr.splitlines()) == 1
    shown = await grants.json("show", id_of(tokens))
    assert (shown["status"], shown["reason"]) == ("revoked", "revoked_by_operator")
    assert (await grants("show", "unknown")).returncode == 1


@pytest.mark.parametrize("by", ["--user", "--client"])
async def test_many_are_revoked_after_a_question(
    server: AuthServer, grants: Operator, client: OAuthClient, public_client: OAuthClient, by: str
) -> None:
    mine = [await client.tokens(server.browser()) for _ in range(2)]
    others = await public_client.tokens(server.browser(GRACE))
    selection = (by, "ada" if by == "--user" else client.client_id)
    for typed in ("n\n", ""):
        refusal = await grants("revoke", *selection, typed=typed)
        assert (refusal.returncode, refusal.stdout) == (1, "")
        assert "2" in refusal.stderr
    assert not await server.is_denied(mine[0])
    ended = await grants("revoke", *selection, typed="y\n")
    assert ended.returncode == 0
    assert "2" in ended.stdout
    for tokens in mine:
        assert await server.is_denied(tokens)
    assert not await server.is_denied(others)


async def test_a_script_revokes_without_a_question(
    server: AuthServer, grants: Operator, client: OAuthClient
) -> None:
    ids = {id_of(await client.tokens(server.browser())) for _ in range(2)}
    revoked = await grants.json("revoke", "--user", "ada", "--yes")
    assert set(revoked["revoked"]) == ids
    # Nothing to do is no error: the script may be repeated.
    assert await grants.json("revoke", "--user", "ada", "--yes") == {"revoked": []}


async def test_a_user_who_changed_names_is_found_by_either(
    server: AuthServer, grants: Operator, client: OAuthClient
) -> None:
    older, newer = [id_of(await client.tokens(server.browser())) for _ in range(2)]
    await server.redis.hset(f"vt:{{{newer}}}:grant", "username", "lovelace")
    for name in ("ada", "lovelace"):
        assert {each["grant_id"] for each in await grants.json("list", "--user", name)} == {older, newer}


@pytest.mark.parametrize(
    "arguments", [(), ("some-grant", "--user", "ada"), ("some-grant", "--client", "app")]
)
async def test_what_to_revoke_is_said_in_one_way(
    server: AuthServer, grants: Operator, client: OAuthClient, arguments: tuple[str, ...]
) -> None:
    tokens = await client.tokens(server.browser())
    ended = await grants("revoke", *arguments, "--yes")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert not await server.is_denied(tokens)


async def test_an_id_that_begins_with_a_hyphen_is_an_id(server: AuthServer, grants: Operator) -> None:
    for command in ("show", "revoke"):
        ended = await grants(command, "-Aunknown-grant")
        assert ended.returncode == 1
        assert "-Aunknown-grant" in ended.stderr


async def test_an_empty_store_is_not_taken_for_one_without_grants(
    server: AuthServer, grants: Operator
) -> None:
    assert await grants.json("list") == []
    kept = await server.redis.hgetall("vt:meta:key-check")
    await server.redis.delete("vt:meta:key-check")
    try:
        ended = await grants("list", "--json")
    finally:
        await server.redis.hset("vt:meta:key-check", mapping=kept)
    assert (ended.returncode, ended.stdout) == (1, "")
