"""A backup of the store, restored into a fresh one (docs/operations.md): tokens are judged as before."""

import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from dev import local_store
from dev.deployment import AUTH, Deployment, deploy, environment
from dev.flow import Browser, OAuthClient, claims_of
from dev.local_store import Binary, CannotStartError, client_of
from dev.mcp_messages import modern

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

SECONDS = 20.0


@pytest.fixture
def binary() -> Binary:
    """Return a server of this machine: the run's own may be anywhere."""
    for find in (local_store.on_path, local_store.bundled):
        try:
            return find()
        except CannotStartError:
            continue
    pytest.skip("no store can be started here")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


@contextmanager
def running(binary: Binary, data: Path, folder: Path, settings: dict[str, str]) -> Iterator[Deployment]:
    """Run everything over a store that keeps its data."""
    with ExitStack() as stack:
        store = stack.enter_context(local_store.serve(binary, data, persist=True))
        yield stack.enter_context(deploy(store.url, folder, **settings))


def back_up(url: str, data: Path, to: Path) -> None:
    """`redis-cli bgsave`, then copy the file once it is there."""
    with client_of(url) as redis:
        before = redis.lastsave()
        time.sleep(1.1)  # LASTSAVE counts whole seconds
        redis.bgsave()
        _until(lambda: redis.lastsave() != before)
        assert redis.info("persistence")["rdb_last_bgsave_status"] == "ok"
    shutil.copy(data / "dump.rdb", to)


def restore(binary: Binary, backup: Path, data: Path) -> None:
    """Start without the append-only file, so that the backup is read; then let the file be written."""
    data.mkdir()
    shutil.copy(backup, data / "dump.rdb")
    with local_store.serve(binary, data, persist=False) as store, client_of(store.url) as redis:
        redis.config_set("appendonly", "yes")
        _until(lambda: _is_written(redis))


def _is_written(redis: Redis) -> bool:
    told: Any = redis.info("persistence")
    return not (told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"]) and bool(
        told["aof_enabled"]
    )


def _until(condition: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def connected(http: httpx.AsyncClient, issuer: str) -> tuple[OAuthClient, dict[str, Any]]:
    client = OAuthClient(http, issuer)
    await client.register()
    async with httpx.AsyncClient(timeout=10) as own:
        return client, await OAuthClient(
            own, issuer, client_id=client.client_id, client_secret=client.client_secret
        ).tokens(Browser(own, "vtwn_sandbox_ada"))


async def status_at(http: httpx.AsyncClient, deployment: Deployment, tokens: dict[str, Any]) -> int:
    answer = await modern("tools/list").send(http, deployment.resource, tokens["access_token"])
    return answer.status_code


async def test_a_restored_store_knows_what_it_knew(
    binary: Binary, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.rdb"
    with running(binary, tmp_path / "old", tmp_path, {}) as before:
        kept, kept_tokens = await connected(http, before.issuer)
        revoked, revoked_tokens = await connected(http, before.issuer)
        rotated, rotated_tokens = await connected(http, before.issuer)
        late, late_tokens = await connected(http, before.issuer)
        assert (await revoked.revoke(revoked_tokens["refresh_token"])).status_code == 200
        back_up(before.settings["REDIS_URL"], tmp_path / "old", backup)
        rotated_tokens = (await rotated.refresh(rotated_tokens["refresh_token"])).json()
        assert (await late.revoke(late_tokens["refresh_token"])).status_code == 200
        others = ("REDIS_URL", "VAL_TOWN_API_URL")
        settings = {name: value for name, value in before.settings.items() if name not in others}
    restore(binary, backup, tmp_path / "new")
    with running(binary, tmp_path / "new", tmp_path / "again", settings) as after:
        assert await status_at(http, after, kept_tokens) == 200
        assert (await kept.refresh(kept_tokens["refresh_token"])).status_code == 200
        assert await status_at(http, after, revoked_tokens) == 401
        answer = await revoked.refresh(revoked_tokens["refresh_token"])
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        # A token that was handed out since is ahead of the store, which is healed as after a failover.
        assert (await rotated.refresh(rotated_tokens["refresh_token"])).status_code == 200
        # What the backup cannot know: a revocation since.
        assert await status_at(http, after, late_tokens) == 200
        grant = claims_of(late_tokens["access_token"])["gid"]
        assert run_command(after, tmp_path, "grants", "revoke", grant) == 0
        answer = await late.refresh(late_tokens["refresh_token"])
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def run_command(deployment: Deployment, folder: Path, *words: str) -> int:
    """Run a command of the operator and return its exit status."""
    return subprocess.run(
        [sys.executable, "-m", AUTH.module, *words],
        env=environment(deployment.settings),
        cwd=folder,
        capture_output=True,
        timeout=60,
    ).returncode
