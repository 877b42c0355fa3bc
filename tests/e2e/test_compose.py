"""`docker compose up`: healthy without `.env`, interchangeable replicas, nobody is root (needs Docker)."""

import json
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from dev.deployment import ROOT
from dev.environment import SANDBOX_TOKENS

pytestmark = pytest.mark.e2e

SERVICES = ("redis", "auth", "mcp", "edge", "sandbox")


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

    def compose(self, *arguments: str) -> str:
        """Run docker compose and return what it prints; fail with its errors."""
        command = ["docker", "compose", "-p", self.name, "--profile", "sandbox", *arguments]
        environ = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}
        environ |= {"HTTP_PORT": str(self.port), "VAL_TOWN_API_URL": "http://sandbox:9100"}
        done = subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

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
    for name in ("auth_server", "mcp_server", "shared", "requirements"):
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
