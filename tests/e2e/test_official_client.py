"""The official Python client: connecting, stepping up, coming back."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic

import anyio
import httpx
import pytest

from dev.deployment import AUTH, MCP, Deployment, deploy
from dev.flow import OAuthClient
from dev.mcp_messages import call
from tests.e2e.official_client import REDIRECT_URI, Connected, Memory, connect

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]

ERAS = pytest.mark.parametrize(
    ("mode", "revision"), [("legacy", "2025-11-25"), ("2026-07-28", "2026-07-28"), ("auto", "2026-07-28")]
)


async def tool_names(connected: Connected) -> list[str]:
    listed = await connected.client.list_tools(cache_mode="refresh")
    return [tool.name for tool in listed.tools]


@ERAS
async def test_connects_steps_up_by_itself_and_works_in_the_account(
    deployment: Deployment, mode: str, revision: str
) -> None:
    name = f"from_{mode}".replace("-", "_")
    async with connect(deployment, mode) as connected:
        names = await tool_names(connected)
        assert connected.client.protocol_version == revision
        assert "list_my_vals" in names
        assert "create_val" not in names

        created = await connected.call("create_val", name=name)
        val = created["val"]["id"]
        await connected.call("create_file", val=val, path="main.ts", content="1 + 1;\n")
        text = await connected.call("read_file", val=val, path="main.ts")
        assert text["content"] == "1 + 1;\n"
        assert name in [each["name"] for each in (await connected.call("list_my_vals"))["vals"]]
        assert "create_val" in await tool_names(connected)
        first, second = (set(scope.split()) for scope in connected.person.asked)
        assert first == {"read", "offline_access"}
        assert second == {"read", "offline_access", "vals:write"}


async def test_registration_and_tokens_kept_by_a_client_work_after_its_restart(
    deployment: Deployment,
) -> None:
    async with connect(deployment) as connected:
        before = await connected.call("whoami")
        memory = connected.memory
    async with connect(deployment, memory=memory) as connected:
        after = await connected.call("whoami")
        assert connected.person.asked == []
    assert after["client_id"] == before["client_id"]
    assert len(memory.tokens) == 1


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_connected_client_stays_usable_when_both_services_restart(
    deployment: Deployment, mode: str
) -> None:
    async with connect(deployment, mode) as connected:
        before = await connected.call("whoami")
        # Not in a worker thread: on Linux the processes would end with it.
        deployment.stop(AUTH, MCP)
        deployment.start()
        assert await connected.call("whoami") == before
        assert "list_my_vals" in await tool_names(connected)
        assert len(connected.person.asked) == 1


async def test_person_is_asked_again_when_the_grant_was_revoked(deployment: Deployment) -> None:
    async with connect(deployment) as connected:
        await connected.call("whoami")
        await revoke(deployment, connected.memory)
        assert (await connected.call("list_my_vals"))["vals"]
        assert len(connected.person.asked) == 2
        assert len(connected.memory.tokens) == 2


async def revoke(deployment: Deployment, memory: Memory) -> None:
    assert memory.client is not None
    token = memory.tokens[-1].refresh_token
    assert token is not None
    async with httpx.AsyncClient() as http:
        owner = OAuthClient(http, deployment.issuer, REDIRECT_URI)
        owner.client_id = memory.client.client_id or ""
        owner.client_secret = memory.client.client_secret
        assert (await owner.revoke(token)).status_code == 200
        deadline = monotonic() + 5
        while (await whoami(http, deployment, memory)).status_code != 401:
            assert monotonic() < deadline
            await anyio.sleep(0.01)


async def whoami(http: httpx.AsyncClient, deployment: Deployment, memory: Memory) -> httpx.Response:
    return await call("whoami").send(http, deployment.resource, memory.tokens[-1].access_token)


async def test_client_refreshes_an_expired_token_and_nobody_is_asked(
    deployment: Deployment, database: Callable[[int], str], tmp_path: Path
) -> None:
    short_lived = {
        "OAUTH_ACCESS_TOKEN_TTL": "1",
        "VAL_TOWN_API_URL": deployment.settings["VAL_TOWN_API_URL"],
    }
    with deploy(database(2), tmp_path, **short_lived) as services:
        async with connect(services) as connected:
            deadline = monotonic() + 15
            while len(connected.memory.tokens) < 3:
                assert monotonic() < deadline
                await connected.call("whoami")
                await anyio.sleep(0.1)
            assert (await connected.call("list_my_vals"))["vals"]
            assert len(connected.person.asked) == 1
            first, second, third = (tokens.refresh_token for tokens in connected.memory.tokens[:3])
            assert len({first, second, third}) == 3
