"""The encryption key of a running deployment is changed as docs/operations.md says, by the commands there."""

import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, MutableMapping
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from dev.deployment import AUTH, MCP, Deployment, deploy, environment, new_encryption_key
from dev.flow import Browser, OAuthClient
from dev.local_store import client_of
from shared.sealing import key_id
from tests.auth_server.deployment import ADA
from tests.requirements import requirement
from tests.support.mcp_client import McpClient

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]


@pytest.fixture
async def http(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def id_of(key: str) -> str:
    return key_id(base64.b64decode(key))


def run(folder: Path, settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m auth_server encryption`, in a folder without `.env`."""
    return subprocess.run(
        [sys.executable, "-m", "auth_server", "encryption", *arguments],
        env=environment(settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=20,
    )


def answer_of(deployment: Deployment, folder: Path, *arguments: str) -> Any:
    """Return the JSON that a command of the deployment's operator prints."""
    ended = run(folder, dict(deployment.settings), *arguments, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    return json.loads(ended.stdout)


def restart(deployment: Deployment, **settings: str) -> None:
    """Start both services again with some settings changed; returns when they are ready."""
    deployment.stop(AUTH, MCP)
    cast(MutableMapping[str, str], deployment.settings).update(settings)
    deployment.start()


@requirement("L233")
async def test_the_key_is_changed_and_the_old_one_taken_away(
    database: Callable[[int], str], tmp_path: Path, http: httpx.AsyncClient
) -> None:
    old, new = new_encryption_key(), new_encryption_key()
    with deploy(database(7), tmp_path / "run", OAUTH_ENCRYPTION_KEY=old) as deployment:
        client = OAuthClient(http, deployment.issuer)
        await client.register()
        tokens = await client.tokens(Browser(http, ADA))

        async def goes_on() -> None:
            """Check that the token and the refresh token of before still work."""
            nonlocal tokens
            answer = await McpClient(http, tokens["access_token"], url=deployment.resource).call("get_me")
            assert answer.json()["result"]["structuredContent"]["username"] == "ada", answer.text
            refreshed = await client.refresh(tokens["refresh_token"])
            assert refreshed.status_code == 200, refreshed.text
            tokens = refreshed.json()

        restart(deployment, OAUTH_DECRYPTION_KEYS=new)
        await goes_on()
        restart(deployment, OAUTH_ENCRYPTION_KEY=new, OAUTH_DECRYPTION_KEYS=old)
        await goes_on()
        other = await client.tokens(Browser(http, ADA))
        first = answer_of(deployment, tmp_path, "reseal")
        assert (first["unopened"], first["waiting"], first["struck"]) == (0, [id_of(old)], [])
        # The hour after which sessions are over.
        with client_of(deployment.settings["REDIS_URL"]) as store:
            store.delete(*store.keys("vt:session:*"))
        assert answer_of(deployment, tmp_path, "reseal")["struck"] == [id_of(old)]
        status = {use["key_id"]: use for use in answer_of(deployment, tmp_path, "status")}
        assert status[id_of(new)]["seals"] is True
        assert status[id_of(new)]["credentials"] == 2
        assert status[id_of(old)]["in_use"] is False
        assert status[id_of(old)]["credentials"] + status[id_of(old)]["signing_keys"] == 0
        restart(deployment, OAUTH_DECRYPTION_KEYS="")
        await goes_on()
        assert (await client.refresh(other["refresh_token"])).status_code == 200


def test_it_is_told_in_words(database: Callable[[int], str], tmp_path: Path) -> None:
    key, other = new_encryption_key(), new_encryption_key()
    settings = {"REDIS_URL": database(7), "OAUTH_ENCRYPTION_KEY": key, "OAUTH_DECRYPTION_KEYS": other}
    status = run(tmp_path, settings, "status")
    assert status.returncode == 0
    heading, *lines = status.stdout.splitlines()
    assert heading.startswith("key id")
    assert [line.split()[:3] for line in lines] == [
        [id_of(key), "seals", "no"],
        [id_of(other), "opens", "no"],
    ]


@pytest.mark.parametrize(
    ("settings", "status", "said"),
    [
        ({"OAUTH_ENCRYPTION_KEY": "x"}, 2, "OAUTH_ENCRYPTION_KEY"),
        ({"OAUTH_ENABLED": "false", "OAUTH_ENCRYPTION_KEY": ""}, 2, "OAUTH_ENCRYPTION_KEY"),
        ({"REDIS_URL": "redis://127.0.0.1:9/0"}, 1, "The store does not answer"),
        ({}, 1, "This store is empty"),
    ],
)
def test_what_stands_in_the_way_is_one_sentence(
    database: Callable[[int], str], tmp_path: Path, settings: dict[str, str], status: int, said: str
) -> None:
    given = {"REDIS_URL": database(7), "OAUTH_ENCRYPTION_KEY": new_encryption_key(), **settings}
    ended = run(tmp_path, given, "reseal")
    assert ended.returncode == status
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
