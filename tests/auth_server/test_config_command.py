"""`python -m auth_server config check`: what is wrong with the settings, or with what they name."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from tests.auth_server.deployment import ADA, ENCRYPTION_KEY, AuthServer
from tests.support.operator import Operator
from tests.support.served import serving

pytestmark = pytest.mark.anyio

OTHER_KEY = base64.b64encode(bytes(32)).decode()
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
async def config(
    server: AuthServer, sandbox: FastAPI, redis_url: str, tmp_path: Path
) -> AsyncIterator[Operator]:
    """Return the way to run the command, with Val Town at a socket."""
    async with serving(sandbox) as port:
        yield Operator("config", redis_url, tmp_path, {"VAL_TOWN_API_URL": f"http://127.0.0.1:{port}"})


def results(answer: dict[str, Any]) -> dict[str, str]:
    """Return what came of each check."""
    return {check["name"]: check["result"] for check in answer["checks"]}


async def test_settings_that_work_are_shown_without_their_secrets(
    server: AuthServer, config: Operator, redis_url: str
) -> None:
    parts = urlsplit(redis_url)
    with_password = f"redis://default:hunter2@{parts.hostname}:{parts.port}{parts.path}?password=hunter3"
    before = sorted([key async for key in server.redis.scan_iter()])
    answer = await config.json("check", VAL_TOWN_API_TOKEN=ADA)
    assert (answer["ok"], answer["problems"], answer["warnings"]) == (True, [], [])
    assert results(answer) == {"store": "ok", "encryption key": "ok", "val town": "ok"}
    values = {setting["name"]: (setting["value"], setting["from"]) for setting in answer["settings"]}
    assert values["AUTH_PORT"] == ("9000", "default")
    assert values["OAUTH_ISSUER_URL"] == ("https://auth.test", "settings")
    assert values["OAUTH_ENCRYPTION_KEY"] == ("(hidden)", "settings")
    assert values["OAUTH_JWT_PRIVATE_KEY"] == ("", "default")
    for arguments in (("check",), ("check", "--json")):
        ended = await config(*arguments, VAL_TOWN_API_TOKEN=ADA, REDIS_URL=with_password)
        for secret in (ADA, ENCRYPTION_KEY, "hunter2", "hunter3"):
            assert secret not in ended.stdout + ended.stderr
        assert "***@" in ended.stdout
    # Looking changes nothing.
    assert sorted([key async for key in server.redis.scan_iter()]) == before


async def test_every_wrong_setting_is_told_on_a_line_of_its_own(config: Operator) -> None:
    wrong = {"AUTH_PORT": "many", "OAUTH_ISSUER_URL": "http://auth.example.com"}
    ended = await config("check", **wrong)
    assert ended.returncode == 1
    assert [line.split()[0] for line in sorted(ended.stdout.splitlines())] == sorted(wrong)
    as_json = await config("check", "--json", **wrong)
    assert as_json.returncode == 1
    assert '"ok": false' in as_json.stdout


@pytest.mark.parametrize(
    ("setting", "value", "failing"),
    [
        ("REDIS_URL", "redis://127.0.0.1:9/0", {"store": "failed", "encryption key": "skipped"}),
        ("OAUTH_ENCRYPTION_KEY", OTHER_KEY, {"encryption key": "failed"}),
        ("VAL_TOWN_API_URL", NOBODY, {"val town": "failed"}),
        ("VAL_TOWN_API_TOKEN", "vtwn_sandbox_nobody", {"val town": "failed"}),
    ],
)
async def test_what_does_not_fit_fails(
    config: Operator, setting: str, value: str, failing: dict[str, str]
) -> None:
    ended = await config("check", **{setting: value})
    assert ended.returncode == 1
    assert [
        (line.split("  ")[0], result)
        for line in ended.stdout.splitlines()
        for result in ("failed", "skipped")
        if f"  {result} " in line
    ] == list(failing.items())


async def test_a_key_that_opens_the_stores_secrets_but_does_not_seal_is_no_fault(
    server: AuthServer, config: Operator
) -> None:
    changed = {"OAUTH_ENCRYPTION_KEY": OTHER_KEY, "OAUTH_DECRYPTION_KEYS": ENCRYPTION_KEY}
    entered = await server.redis.hgetall("vt:meta:key-check")
    answer = await config.json("check", **changed)
    assert results(answer)["encryption key"] == "ok"
    assert await server.redis.hgetall("vt:meta:key-check") == entered


async def test_a_store_that_nobody_has_used_is_a_warning(server: AuthServer, config: Operator) -> None:
    kept = await server.redis.hgetall("vt:meta:key-check")
    await server.redis.delete("vt:meta:key-check")
    try:
        answer = await config.json("check")
    finally:
        await server.redis.hset("vt:meta:key-check", mapping=kept)
    assert results(answer)["encryption key"] == "warning"


async def test_a_store_that_drops_what_it_holds_fails_the_check(server: AuthServer, config: Operator) -> None:
    await server.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        ended = await config("check", "--json")
    finally:
        await server.redis.config_set("maxmemory-policy", "noeviction")
    assert ended.returncode == 1
    assert results(json.loads(ended.stdout))["store"] == "failed"


async def test_where_oauth_is_off_nothing_outside_is_needed(config: Operator) -> None:
    off = {"OAUTH_ENABLED": "false", "REDIS_URL": "redis://127.0.0.1:9/0", "VAL_TOWN_API_URL": NOBODY}
    assert set(results(await config.json("check", **off)).values()) == {"skipped"}


async def test_a_name_that_is_no_setting_is_a_warning(config: Operator) -> None:
    answer = await config.json("check", OAUTH_ISUER_URL="https://auth.test")
    assert len(answer["warnings"]) == 1
