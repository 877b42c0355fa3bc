"""How the services start, refuse to start, and stop."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from dev.deployment import AUTH, MCP, SANDBOX, Deployment, Service, environment, new_encryption_key
from dev.processes import Child, free_port, start, stop

pytestmark = pytest.mark.e2e

SERVICES = pytest.mark.parametrize("service", [AUTH, MCP], ids=lambda service: service.name)
NOWHERE = "redis://127.0.0.1:9/0"


def refused(service: Service, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a service that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", service.module],
        env=environment(settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=20,
    )


@contextmanager
def running(service: Service, folder: Path, path: str, status: int, **settings: str) -> Iterator[Child]:
    """Run a service until the end of the block; enter when a path answers as expected."""
    port = settings.setdefault(service.port_setting, str(free_port()))
    command = [sys.executable, "-m", service.module]
    child = start(service.name, command, folder / f"{service.name}.log", environment(settings), folder)
    try:
        until_answered(child, f"http://127.0.0.1:{port}{path}", status)
        yield child
    finally:
        stop([child])


def until_answered(child: Child, url: str, status: int) -> None:
    deadline = time.monotonic() + 20
    while status_of(url) != status:
        assert not child.has_ended(), child.last_lines()
        assert time.monotonic() < deadline, child.last_lines()
        time.sleep(0.05)


def status_of(url: str) -> int | None:
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return None


def pem_pair(key: RSAPrivateKey, other: RSAPrivateKey) -> dict[str, str]:
    """Return the private PEM of one key and the public PEM of another, each on one line as in the guide."""
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "OAUTH_JWT_PRIVATE_KEY": private.decode().replace("\n", "\\n"),
        "OAUTH_JWT_PUBLIC_KEY": public.decode().replace("\n", "\\n"),
    }


@SERVICES
def test_wrong_and_unknown_settings_are_told_all_at_once(service: Service, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OAUTH_ISUER_URL=https://auth.example\n", encoding="utf-8")
    ended = refused(
        service,
        tmp_path,
        **{service.port_setting: "many"},
        OAUTH_ENCRYPTION_KEY="c2hvcnQ=",
        OAUTH_ISSUER_URL="http://auth.example",
        REDIS_URL="http://store.example",
    )
    assert ended.returncode == 2
    told = ended.stdout + ended.stderr
    assert "OAUTH_ISUER_URL in .env is not a setting. Did you mean OAUTH_ISSUER_URL?" in told
    for name in (service.port_setting, "OAUTH_ENCRYPTION_KEY", "OAUTH_ISSUER_URL", "REDIS_URL"):
        assert sum(f"{name} " in line and "Did you mean" not in line for line in told.splitlines()) == 1, name
    assert "Traceback" not in told
    assert "c2hvcnQ=" not in told


@SERVICES
def test_missing_encryption_key_names_the_command_that_makes_it(service: Service, tmp_path: Path) -> None:
    ended = refused(service, tmp_path)
    assert ended.returncode == 2
    told = [line for line in ended.stderr.splitlines() if "OAUTH_ENCRYPTION_KEY" in line]
    assert len(told) == 1
    assert "openssl rand -base64 32" in told[0]
    assert "Traceback" not in ended.stderr


def test_key_pair_that_does_not_match_stops_the_start(tmp_path: Path) -> None:
    one, other = generate_private_key(65537, 2048), generate_private_key(65537, 2048)
    ended = refused(AUTH, tmp_path, OAUTH_ENCRYPTION_KEY=new_encryption_key(), **pem_pair(one, other))
    assert ended.returncode == 2
    assert "the key pair does not match" in ended.stderr
    assert "PRIVATE KEY-----" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_key_pair_that_matches_is_published(database: Callable[[int], str], tmp_path: Path) -> None:
    key = generate_private_key(65537, 2048)
    port = str(free_port())
    settings = {"AUTH_PORT": port, "REDIS_URL": database(5), "OAUTH_ENCRYPTION_KEY": new_encryption_key()}
    with running(AUTH, tmp_path, "/readyz", 200, **settings, **pem_pair(key, key)):
        keys = httpx.get(f"http://127.0.0.1:{port}/.well-known/jwks.json").json()["keys"]
    assert len(keys) == 1


@SERVICES
def test_taken_port_is_told_in_one_sentence(service: Service, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = refused(
            service,
            tmp_path,
            **{service.port_setting: str(port)},
            OAUTH_ENCRYPTION_KEY=new_encryption_key(),
            REDIS_URL=NOWHERE,
        )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert service.port_setting in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("service", [AUTH, MCP, SANDBOX], ids=lambda service: service.name)
def test_signal_ends_it_soon_with_status_0_even_without_a_store(
    service: Service, number: signal.Signals, tmp_path: Path
) -> None:
    port = str(free_port())
    settings = {
        service.port_setting: port,
        "OAUTH_ENCRYPTION_KEY": new_encryption_key(),
        "REDIS_URL": NOWHERE,
        "OAUTH_ISSUER_URL": "http://127.0.0.1:9",
        "MCP_OF_ANOTHER_PROGRAM": "x",
    }
    with running(service, tmp_path, "/healthz", 200, **settings) as child, httpx.Client() as client:
        base = f"http://127.0.0.1:{port}"
        assert client.get(f"{base}/healthz").status_code == 200
        if service is not SANDBOX:
            assert client.get(f"{base}/readyz").status_code == 503
            # Names of other programs in the environment are no reason not to start.
            assert "MCP_OF_ANOTHER_PROGRAM in the environment is not a setting" in child.log.read_text(
                "utf-8"
            )
        # With a connection open.
        child.process.send_signal(number)
        assert child.process.wait(5) == 0, child.last_lines()
    assert "Traceback" not in child.log.read_text(encoding="utf-8")


def test_another_encryption_key_than_the_store_was_sealed_with_stops_the_start(
    deployment: Deployment, tmp_path: Path
) -> None:
    settings = {**deployment.settings, "AUTH_PORT": str(free_port())}
    ended = refused(AUTH, tmp_path, **{**settings, "OAUTH_ENCRYPTION_KEY": new_encryption_key()})
    assert ended.returncode > 0
    assert "OAUTH_ENCRYPTION_KEY is not the key that this store's secrets were sealed with" in ended.stderr
    assert "Traceback" not in ended.stderr
    with running(AUTH, tmp_path, "/readyz", 200, **settings):
        pass


def test_second_replica_comes_and_goes_beside_the_first(deployment: Deployment, tmp_path: Path) -> None:
    for service in (AUTH, MCP):
        settings = {**deployment.settings, service.port_setting: str(free_port())}
        with running(service, tmp_path, "/readyz", 200, **settings) as child:
            assert status_of(f"{deployment.url(service)}/readyz") == 200
            child.process.send_signal(signal.SIGTERM)
            assert child.process.wait(5) == 0
        assert status_of(f"{deployment.url(service)}/readyz") == 200
