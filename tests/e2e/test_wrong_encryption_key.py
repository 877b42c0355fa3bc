"""A start with another OAUTH_ENCRYPTION_KEY than the store was sealed with: one sentence, status 2."""

import asyncio
import base64
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from dev.deployment import AUTH, MCP, Service, environment, new_encryption_key
from dev.processes import free_port, start, stop
from shared.key_check import KeyCheck
from shared.redis.client import connect
from shared.sealing import Sealer

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.parametrize("service", [AUTH, MCP], ids=lambda service: service.name),
]


@pytest.fixture
def settings(database: Callable[[int], str], service: Service) -> dict[str, str]:
    """Return the settings of a service over a store that was sealed with its key."""
    key = new_encryption_key()
    url = database(6)

    async def claim() -> None:
        async with connect(url) as redis:
            await KeyCheck(redis, Sealer(base64.b64decode(key))).claim()

    asyncio.run(claim())
    return {service.port_setting: str(free_port()), "REDIS_URL": url, "OAUTH_ENCRYPTION_KEY": key}


def test_it_ends_with_status_2_and_one_sentence(
    service: Service, settings: dict[str, str], tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", service.module],
        env=environment({**settings, "OAUTH_ENCRYPTION_KEY": new_encryption_key()}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode == 2
    heading, sentence = ended.stderr.splitlines()
    assert heading == f"{service.module} cannot start:"
    assert "OAUTH_ENCRYPTION_KEY is not the key that this store's secrets were sealed with" in sentence
    assert "Traceback" not in ended.stdout + ended.stderr


def test_with_the_key_of_its_store_it_goes_on(
    service: Service, settings: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", service.module]
    child = start(service.name, command, tmp_path / "service.log", environment(settings), tmp_path)
    url = f"http://127.0.0.1:{settings[service.port_setting]}/healthz"
    try:
        deadline = time.monotonic() + 20
        while not _answers(url):
            assert not child.has_ended(), child.last_lines()
            assert time.monotonic() < deadline, child.last_lines()
            time.sleep(0.05)
    finally:
        stop([child])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
