"""`docker compose up`: healthy without `.env`, replicas that may be killed, a backup (needs Docker)."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from dev.deployment import ROOT
from dev.environment import SANDBOX_TOKENS
from dev.flow import Browser, OAuthClient
from dev.mcp_messages import call, modern
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

SERVICES = ("redis", "auth", "mcp", "edge", "sandbox")
BACK_SECONDS = 60.0


def _why_not() -> str:
    """Return why compose cannot run here; empty when it can."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        if subprocess.run(command, capture_output=True, timeout=30).returncode != 0:
            return f"`{' '.join(command)}` does not answer"
    return ""


@dataclass(frozen=True, slots=True)
class Stack:
    """A compose project of its own, on a free port."""

    folder: Path
    name: str
    port: int

    @property
    def url(self) -> str:
        """The one origin of the stack."""
        return f"http://localhost:{self.port}"

    def environment(self) -> Mapping[str, str]:
        """Return what docker compose is told."""
        environ = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}
        return {
            **environ,
            "COMPOSE_PROJECT_NAME": self.name,
            "COMPOSE_PROFILES": "sandbox",
            "HTTP_PORT": str(self.port),
            "VAL_TOWN_API_URL": "http://sandbox:9100",
        }

    def run(self, *command: str) -> str:
        """Run a command in the clone and return what it prints; fail with its errors."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def compose(self, *arguments: str) -> str:
        """Run docker compose."""
        return self.run("docker", "compose", *arguments)

    def containers(self, service: str) -> Sequence[dict[str, object]]:
        """Return what Docker knows of a service's running containers."""
        ids = self.compose("ps", "-q", service).split()
        inspected = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True)
        found: list[dict[str, object]] = json.loads(inspected.stdout)
        return found

    def check(self) -> subprocess.CompletedProcess[str]:
        """Run the compliance checks against the stack."""
        return subprocess.run(
            [sys.executable, "-m", "dev.compliance"],
            cwd=ROOT,
            env={
                "TEST_SERVER_URL": self.url,
                "VAL_TOWN_API_TOKEN": SANDBOX_TOKENS[0],
                "PATH": os.environ["PATH"],
            },
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start the stack from a copy of what a clone has: no `.env`, no `.run`."""
    reason = _why_not()
    if reason:
        pytest.skip(f"no containers: {reason}")
    folder = tmp_path_factory.mktemp("clone")
    for name in ("auth_server", "mcp_server", "shared", "requirements", "deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("docker-compose.yml", "Caddyfile", ".dockerignore"):
        shutil.copy(ROOT / name, folder / name)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stack = Stack(folder, f"vt-test-{uuid.uuid4().hex[:8]}", port)
    try:
        stack.compose("up", "-d", "--wait", "--build")
        yield stack
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "5")


def test_the_stack_passes_the_compliance_checks(stack: Stack) -> None:
    done = stack.check()
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_not_root_and_cannot_write(stack: Stack, service: str) -> None:
    for container in stack.containers(service):
        host = container["HostConfig"]
        config = container["Config"]
        assert isinstance(host, dict)
        assert isinstance(config, dict)
        assert config["User"] not in ("", "root", "0")
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]


def test_metrics_are_for_the_network_inside_alone(stack: Stack) -> None:
    for path in ("/metrics", "//metrics", "/%6Detrics", "/METRICS", "/metrics/", "/metrics%2F", "/metrics;x"):
        assert httpx.get(stack.url + path).status_code == 404, path
    ask = "from urllib.request import urlopen as o; print(o('http://{}/metrics').read().decode())"
    for service, port in (("auth", 9000), ("mcp", 8000)):
        told = stack.compose("exec", "-T", service, "python", "-c", ask.format(f"127.0.0.1:{port}"))
        assert 'build_info{python="3.13' in told
        assert f'service="{service}_server"' in told


def test_three_replicas_of_each_tier_pass_them_too(stack: Stack) -> None:
    stack.compose("up", "-d", "--wait", "--scale", "auth=3", "--scale", "mcp=3")
    assert [len(stack.containers(service)) for service in ("auth", "mcp")] == [3, 3]
    done = stack.check()
    assert done.returncode == 0, done.stdout[-3000:]


@dataclass
class Client:
    """An app that calls and refreshes without a pause."""

    http: httpx.AsyncClient
    oauth: OAuthClient
    tokens: dict[str, Any]
    answers: Counter[str] = field(default_factory=Counter)

    async def work(self) -> None:
        """Call and refresh until cancelled."""
        while True:
            for request in (modern("tools/list"), call("get_me")):
                await self._ask("call", request.send(self.http, f"{self.oauth.issuer}/mcp", self._token))
            answer = await self._ask("refresh", self.oauth.refresh(self.tokens["refresh_token"]))
            if answer is not None and answer.status_code == 200:
                self.tokens = answer.json()

    @property
    def _token(self) -> str:
        return str(self.tokens["access_token"])

    async def _ask(self, what: str, sending: Any) -> httpx.Response | None:
        try:
            answer: httpx.Response = await sending
        except httpx.TransportError:
            self.answers[f"{what} no answer"] += 1
            # Not faster than a client would.
            await asyncio.sleep(0.1)
            return None
        self.answers[f"{what} {answer.status_code}"] += 1
        if answer.status_code == 503:
            assert answer.headers["retry-after"]
            await asyncio.sleep(0.1)
        return answer

    async def goes_on(self) -> None:
        """Return once it called and refreshed ten times more."""
        before = self.answers.copy()

        async def more() -> bool:
            return all(self.answers[one] >= before[one] + 10 for one in ("call 200", "refresh 200"))

        await until(more, seconds=BACK_SECONDS)


async def connected(http: httpx.AsyncClient, stack: Stack) -> Client:
    oauth = OAuthClient(http, stack.url)
    await oauth.register()
    async with httpx.AsyncClient(timeout=20) as own:
        person = OAuthClient(own, stack.url, client_id=oauth.client_id, client_secret=oauth.client_secret)
        return Client(http, oauth, await person.tokens(Browser(own, SANDBOX_TOKENS[0])))


@pytest.mark.parametrize("service", ["auth", "mcp", "redis", "edge"])
async def test_a_client_goes_on_when_a_container_is_killed(stack: Stack, service: str) -> None:
    stack.compose("up", "-d", "--wait", "--scale", "auth=3", "--scale", "mcp=3")
    async with httpx.AsyncClient(timeout=10) as http:
        client = await connected(http, stack)
        working = asyncio.create_task(client.work())
        try:
            await client.goes_on()
            victim = str(stack.containers(service)[0]["Id"])
            await asyncio.to_thread(stack.run, "docker", "kill", victim)
            if service in ("auth", "mcp"):
                # Two others are there.
                await client.goes_on()
            await asyncio.to_thread(stack.run, "docker", "start", victim)
            await client.goes_on()
            assert not working.done(), working.result()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    # Short faults at most, and never one on which a client throws its credentials away.
    allowed = {"200", "503", "no answer"} if service == "edge" else {"200", "503"}
    assert {name.partition(" ")[2] for name in client.answers} <= allowed, client.answers


async def test_a_backup_is_restored_with_every_token_judged_as_before(stack: Stack) -> None:
    stack.compose("up", "-d", "--wait", "--scale", "auth=3", "--scale", "mcp=3")
    async with httpx.AsyncClient(timeout=10) as http:
        kept, revoked, late = [await connected(http, stack) for _ in range(3)]
        assert (await revoked.oauth.revoke(revoked.tokens["refresh_token"])).status_code == 200
        stack.run("deploy/compose/backup", "backup.rdb")
        assert (await late.oauth.revoke(late.tokens["refresh_token"])).status_code == 200
        stack.run("deploy/compose/restore", "backup.rdb")
        stack.compose("up", "-d", "--wait", "--scale", "auth=3", "--scale", "mcp=3")

        async def called() -> bool:
            return await status_of_call(kept, stack) == 200

        await until(called, seconds=BACK_SECONDS)
        assert await status_of_call(revoked, stack) == 401
        assert (await kept.oauth.refresh(kept.tokens["refresh_token"])).status_code == 200
        answer = await revoked.oauth.refresh(revoked.tokens["refresh_token"])
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        # The backup does not know of it, so the operator has to say it again.
        assert (await late.oauth.refresh(late.tokens["refresh_token"])).status_code == 200


async def status_of_call(client: Client, stack: Stack) -> int:
    token = str(client.tokens["access_token"])
    return (await modern("tools/list").send(client.http, f"{stack.url}/mcp", token)).status_code
