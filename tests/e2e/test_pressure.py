"""Processes under pressure: no files left, nobody reads the log, a replica that hangs, everybody at once."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from dev.deployment import AUTH, MCP, Service, environment
from dev.flow import Browser, OAuthClient
from dev.mcp_messages import call, modern
from dev.overload import herd, refreshing
from dev.processes import Child, free_port, start, stop
from dev.replicas import Replicas, replicate
from tests.e2e.test_processes import until_answered
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

FILES = 256
IDLE = 400
HERD = 200
LEGACY = {"X-Val-Town-Token": "vtwn_sandbox_ada"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def replicas(database: Callable[[int], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Return two replicas of each service."""
    with replicate(database(14), tmp_path_factory.mktemp("pressed")) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    # Each request on a connection of its own.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=10, limits=limits) as client:
        yield client


def request_of(service: Service, http: httpx.AsyncClient, url: str) -> "asyncio.Task[httpx.Response]":
    """Send something that a service does not answer from memory alone."""
    if service is AUTH:
        form = {"grant_type": "refresh_token", "client_id": "client_nobody", "refresh_token": "none"}
        return asyncio.create_task(http.post(f"{url}/oauth/token", data=form))
    request = call("get_me")
    sent = http.post(f"{url}/mcp", json=request.body, headers={**request.headers, **LEGACY})
    return asyncio.create_task(sent)


@pytest.mark.parametrize(("service", "good"), [(AUTH, 401), (MCP, 200)], ids=["auth", "mcp"])
async def test_without_free_files_it_refuses_soon_and_recovers(
    service: Service, good: int, replicas: Replicas, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {**replicas.settings, service.port_setting: str(port)}
    limited = ["sh", "-c", f'ulimit -n {FILES}; exec "$0" -m {service.module}', sys.executable]
    child = start(service.name, limited, tmp_path / "limited.log", environment(settings), tmp_path)
    with ExitStack() as stack:
        stack.callback(stop, [child])
        until_answered(child, f"{url}/readyz", 200)
        with ExitStack() as idle:
            for _ in range(IDLE):
                with suppress(OSError):
                    idle.enter_context(socket.create_connection(("127.0.0.1", port), 2))
            for _ in range(20):
                began = time.monotonic()
                with suppress(httpx.TransportError):
                    answer = await request_of(service, http, url)
                    assert answer.status_code in (good, 503), answer.text
                    assert answer.status_code == good or answer.headers["retry-after"]
                assert time.monotonic() - began < 3
        assert not child.has_ended()

        async def serves() -> bool:
            with suppress(httpx.TransportError):
                return (await request_of(service, http, url)).status_code == good
            return False

        await until(serves, seconds=15)
        assert await served_in_a_row(service, good, http, url) == 20


async def served_in_a_row(service: Service, good: int, http: httpx.AsyncClient, url: str) -> int:
    answers = [await request_of(service, http, url) for _ in range(20)]
    return [answer.status_code for answer in answers].count(good)


@pytest.mark.parametrize("service", [AUTH, MCP], ids=lambda service: service.name)
async def test_a_log_that_nobody_reads_has_no_effect(
    service: Service, replicas: Replicas, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    reader, writer = os.pipe()
    settings = {**replicas.settings, service.port_setting: str(port), "DEBUG": "*"}
    process = subprocess.Popen(  # noqa: ASYNC220 - before anything else runs
        [sys.executable, "-m", service.module],
        stdout=writer,
        stderr=subprocess.DEVNULL,
        env=environment(settings),
        cwd=tmp_path,
    )
    os.close(writer)
    child = Child(service.name, process, tmp_path / "nothing.log")
    child.log.touch()
    try:
        until_answered(child, f"{url}/readyz", 200)
        async with httpx.AsyncClient(timeout=5) as http:
            path = "/oauth/nowhere" if service is AUTH else "/nowhere"
            long_path = path + "x" * 150

            async def dropping() -> bool:
                for _ in range(200):
                    assert (await http.get(url + long_path)).status_code == 404
                metrics = (await http.get(f"{url}/metrics")).text
                return re.search(r"^log_lines_dropped_total [1-9]", metrics, re.MULTILINE) is not None

            await until(dropping, seconds=120)
            assert (await http.get(f"{url}/readyz")).status_code == 200
        # Whoever comes back to read gets whole lines, the oldest first.
        assert b'"event": "listening"' in os.read(reader, 65536)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        os.close(reader)
        stop([child])


async def test_a_replica_that_hangs_hurts_nobody_and_does_not_come_back_with_stale_answers(
    replicas: Replicas, http: httpx.AsyncClient
) -> None:
    client = OAuthClient(http, replicas.auth[1])
    client.issuer = replicas.auth[1]
    registrar = OAuthClient(http, replicas.issuer)
    await registrar.register(token_endpoint_auth_method="none")
    async with httpx.AsyncClient(timeout=10) as own:
        person = OAuthClient(own, replicas.issuer, client_id=registrar.client_id)
        tokens = await person.tokens(Browser(own, "vtwn_sandbox_ada"))
    client.client_id = registrar.client_id
    assert [await status_at(http, url, tokens["access_token"]) for url in replicas.mcp] == [200, 200]
    hung = [process_at(url) for url in (replicas.auth[0], replicas.mcp[0])]
    for one in hung:
        os.kill(one, signal.SIGSTOP)
    try:
        for _ in range(30):
            began = time.monotonic()
            assert await status_at(http, replicas.mcp[1], tokens["access_token"]) == 200
            refreshed = await client.refresh(tokens["refresh_token"])
            assert refreshed.status_code == 200
            tokens = refreshed.json()
            assert time.monotonic() - began < 5
        assert (await client.revoke(tokens["refresh_token"])).status_code == 200

        async def refused() -> bool:
            return await status_at(http, replicas.mcp[1], tokens["access_token"]) == 401

        await until(refused)
    finally:
        for one in hung:
            os.kill(one, signal.SIGCONT)
    statuses = []

    async def refused_there_too() -> bool:
        statuses.append(await status_at(http, replicas.mcp[0], tokens["access_token"]))
        return statuses[-1] == 401

    await until(refused_there_too, seconds=15)
    assert set(statuses) <= {401, 503}


async def status_at(http: httpx.AsyncClient, url: str, token: str) -> int:
    return (await modern("tools/list").send(http, f"{url}/mcp", token)).status_code


def process_at(url: str) -> int:
    """Return the id of the process of ours that listens at a URL's port (Linux)."""
    port = f":{int(url.rpartition(':')[2]):04X}"
    lines = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    inodes = {line.split()[9] for line in lines if line.split()[1].endswith(port) and line.split()[3] == "0A"}
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if entry.readlink().name.removeprefix("socket:[").removesuffix("]") in inodes:
                return int(entry.parts[2])
    raise AssertionError(url)


async def test_everybody_refreshes_at_once_and_everybody_is_served(replicas: Replicas) -> None:
    work = await refreshing(replicas.issuer, HERD)
    outcome = await herd(work)
    assert outcome.statuses["200"] == HERD
    assert set(outcome.statuses) <= {"200", "503"}
    assert max(outcome.accepted) < 30
