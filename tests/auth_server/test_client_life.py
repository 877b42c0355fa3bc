"""A client lives at least as long as what was approved for it; nothing brings its end nearer."""

import pytest

from auth_server.store.base import CODE_SECONDS
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

YEAR = 31_536_000


@requirement("G134")
async def test_a_client_about_to_expire_is_kept_for_the_code_that_was_approved(server: AuthServer) -> None:
    client = await server.public()
    key = f"vt:client:{client.client_id}"
    await server.redis.expire(key, CODE_SECONDS // 2)
    code, pkce = await server.code(client)
    assert await server.redis.ttl(key) > CODE_SECONDS
    answer = await client.redeem(code, pkce.verifier)
    assert answer.status_code == 200, answer.text


@requirement("G134")
@pytest.mark.parametrize("life", [YEAR, -1])
async def test_use_never_brings_the_end_of_a_client_nearer(server: AuthServer, life: int) -> None:
    client = await server.public()
    key = f"vt:client:{client.client_id}"
    await (server.redis.persist(key) if life < 0 else server.redis.expire(key, life))
    tokens = await client.tokens(server.browser())
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200
    left = await server.redis.ttl(key)
    assert left == -1 if life < 0 else left > YEAR - 60


@requirement("G134")
async def test_a_made_up_code_for_somebody_elses_grant_keeps_no_client_alive(server: AuthServer) -> None:
    code, pkce = await server.code(await server.registered())
    idle = await server.registered()
    before = await server.redis.ttl(f"vt:client:{idle.client_id}")
    answer = await idle.redeem(code.rpartition(".")[0] + ".made-up", pkce.verifier)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert await server.redis.ttl(f"vt:client:{idle.client_id}") <= before
