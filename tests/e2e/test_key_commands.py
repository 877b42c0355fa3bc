"""`python -m auth_server keys` against a running deployment."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from dev.deployment import Deployment, deploy, environment
from dev.flow import Browser, OAuthClient
from tests.auth_server.deployment import ADA
from tests.requirements import requirement
from tests.support.mcp_client import McpClient
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]


@pytest.fixture
async def http(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def run(settings: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m auth_server keys`, in a folder without `.env`."""
    return subprocess.run(
        [sys.executable, "-m", "auth_server", "keys", *arguments],
        env=environment(settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=20,
    )


def states(deployment: Deployment, folder: Path) -> dict[str, str]:
    """Return the state of every key."""
    listed = run(dict(deployment.settings), folder, "list", "--json")
    assert (listed.returncode, listed.stderr) == (0, "")
    return {key["kid"]: key["state"] for key in json.loads(listed.stdout)}


@requirement("H173")
async def test_keys_are_listed_rotated_and_revoked(
    database: Callable[[int], str], tmp_path: Path, http: httpx.AsyncClient
) -> None:
    with deploy(database(8), tmp_path / "run") as deployment:
        settings = dict(deployment.settings)
        client = OAuthClient(http, deployment.issuer)
        await client.register()
        tokens = await client.tokens(Browser(http, ADA))
        caller = McpClient(http, tokens["access_token"], url=deployment.resource)
        assert (await caller.modern("tools/list")).status_code == 200

        async def stands_by() -> bool:
            key_set = await http.get(f"{deployment.issuer}/.well-known/jwks.json")
            return len(key_set.json()["keys"]) == 2

        # A key is made, which takes a while, and processes share a machine.
        await until(stands_by, seconds=30)
        assert sorted(states(deployment, tmp_path).values()) == ["active", "next"]
        (active,) = [kid for kid, state in states(deployment, tmp_path).items() if state == "active"]
        table = run(settings, tmp_path, "list")
        assert active in table.stdout

        rotated = run(settings, tmp_path, "rotate", "--json")
        assert rotated.returncode == 0
        assert json.loads(rotated.stdout)["kid"] != active
        assert sorted(states(deployment, tmp_path).values()) == ["active", "next", "next"]
        assert (await caller.modern("tools/list")).status_code == 200

        revoked = run(settings, tmp_path, "revoke", active, "--json")
        assert revoked.returncode == 0
        assert json.loads(revoked.stdout) == {"revoked": active, "active": json.loads(rotated.stdout)["kid"]}
        refused = await caller.modern("tools/list")
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        again = run(settings, tmp_path, "revoke", active)
        assert (again.returncode, again.stdout) == (1, "")
        assert active in again.stderr
        beginning_with_a_hyphen = run(settings, tmp_path, "revoke", "-Aunknown")
        assert (beginning_with_a_hyphen.returncode, beginning_with_a_hyphen.stdout) == (1, "")
        assert "-Aunknown" in beginning_with_a_hyphen.stderr

        async def refreshed_token_works() -> bool:
            answer = await client.refresh(tokens["refresh_token"])
            assert answer.status_code == 200
            # As clients do: a replica that has not looked yet may have signed with the old key once more.
            tokens.update(answer.json())
            fresh = McpClient(http, tokens["access_token"], url=deployment.resource)
            return (await fresh.modern("tools/list")).status_code == 200

        await until(refreshed_token_works, seconds=30)


def test_a_store_that_does_not_answer_is_said_in_one_sentence(tmp_path: Path) -> None:
    settings = {"REDIS_URL": "redis://127.0.0.1:9/0", "OAUTH_ENCRYPTION_KEY": "A" * 43 + "="}
    ended = run(settings, tmp_path, "rotate")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1
