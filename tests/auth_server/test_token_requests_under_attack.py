"""Token requests that no client sends, and codes of people, clients and grants that are gone."""

import pytest
from redis.asyncio import Redis

from dev.flow import OAuthClient
from mcp_server.sandbox.accounts import ADA as ADA_ACCOUNT
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@requirement("C62")
async def test_a_code_is_no_refresh_token_and_the_other_way_round(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    refused(await client.refresh(code), 400, "invalid_grant")
    tokens = (await client.redeem(code, pkce.verifier)).json()
    refused(await client.redeem(tokens["refresh_token"], pkce.verifier), 400, "invalid_grant")
    refused(await client.redeem(tokens["access_token"], pkce.verifier), 400, "invalid_grant")
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


@requirement("C71")
@pytest.mark.parametrize("name", ["code[]", "code[0]", "code.value", "Code", " code", "code\x00"])
async def test_a_name_that_is_almost_code_is_another_name(
    server: AuthServer, client: OAuthClient, name: str
) -> None:
    code, pkce = await server.code(client)
    form = {"grant_type": "authorization_code", "code_verifier": pkce.verifier}
    refused(await client.post("/oauth/token", {**form, name: code}), 400, "invalid_request")
    # Beside the true name it is unknown, and so ignored.
    assert (await client.redeem(code, pkce.verifier, **{name: "other"})).status_code == 200


@requirement("C69", "C70", "D85")
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"a;" * 524_288, 413),
        (b"a&" * 200_000, 413),
        (b"a;" * 30_000, None),
        (b"&".join(b"%x=1" % number for number in range(8_000)), 400),
        (b"client_secret=" + b"x" * 1_048_576, 413),
        (b"client_secret=%00", None),
    ],
    ids=["MiB of ;", "200,000 fields", "60 kB of ;", "8,000 fields", "MiB of secret", "NUL"],
)
async def test_a_flood_of_fields_or_of_secret_is_refused_before_it_costs_anything(
    server: AuthServer, client: OAuthClient, path: str, body: bytes, status: int | None
) -> None:
    body = (
        b"grant_type=refresh_token&refresh_token=x&token=x&client_id="
        + client.client_id.encode()
        + b"&"
        + body
    )
    answer = await client.http.post(path, content=body, headers=FORM)
    if status is None:
        refused(answer, 401, "invalid_client")
    else:
        refused(answer, status, "invalid_request")
    assert await server.works()


@requirement("C74")
async def test_the_code_of_somebody_not_admitted_any_more_is_refused(
    open_server: OpenServer, redis: Redis
) -> None:
    for allowed, status in (("somebody-else", 400), (ADA_ACCOUNT.username, 200)):
        async with open_server() as before:
            client = await before.registered()
            code, pkce = await before.code(client)
        async with open_server(oauth_allowed_users=allowed) as after:
            there = after.client()
            there.client_id, there.client_secret = client.client_id, client.client_secret
            answer = await there.redeem(code, pkce.verifier)
            assert answer.status_code == status
            if status == 400:
                refused(answer, 400, "invalid_grant")


@requirement("C75")
async def test_the_code_of_a_client_that_is_gone_is_refused(server: AuthServer, client: OAuthClient) -> None:
    code, pkce = await server.code(client)
    await server.redis.delete(f"vt:client:{client.client_id}")
    refused(await client.redeem(code, pkce.verifier), 401, "invalid_client")
    other = await server.registered()
    refused(await other.redeem(code, pkce.verifier), 400, "invalid_grant")


@requirement("C76")
async def test_the_code_of_a_grant_that_was_revoked_is_refused(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    kept, kept_pkce = await server.code(client)
    grant_id = code.removeprefix("vtac_").partition(".")[0]
    await server.app.state.services.grants.revoke(grant_id, reason="test")
    refused(await client.redeem(code, pkce.verifier), 400, "invalid_grant")
    assert (await client.redeem(kept, kept_pkce.verifier)).status_code == 200
