"""`python -m mcp_server doctor` as an operator runs it, against real processes and real sockets."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from dev.deployment import ROOT, Deployment
from dev.flow import Browser, OAuthClient
from dev.processes import free_port
from mcp_server.doctor.causes import CAUSES
from tests.auth_server.test_outbound_tls import certificate, serving

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]

Ended = subprocess.CompletedProcess[str]


async def doctor(*arguments: str, typed: str = "") -> Ended:
    """Return how the command ended. It needs no setting and no store."""
    run = await anyio.run_process(
        [sys.executable, "-m", "mcp_server", "doctor", *arguments],
        input=typed.encode(),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        cwd="/",
        check=False,
    )
    return Ended(run.args, run.returncode, run.stdout.decode(), run.stderr.decode())


async def causes(*arguments: str) -> set[str]:
    """Return the ids of what it found, after checking that it was called well and found a fault."""
    ended = await doctor(*arguments, "--json")
    assert ended.returncode == 1, ended.stderr
    report = json.loads(ended.stdout)
    assert report["ok"] is False
    return {finding["cause"] for step in report["steps"] for finding in step["findings"]}


async def token_of(deployment: Deployment) -> str:
    """Return an access token."""
    async with httpx.AsyncClient() as http, httpx.AsyncClient() as visitor:
        client = OAuthClient(http, deployment.issuer, "https://client.example.com/callback")
        await client.register()
        tokens: dict[str, Any] = await client.tokens(Browser(visitor, "vtwn_sandbox_ada"))
    return str(tokens["access_token"])


async def test_it_is_silent_on_a_good_set_up(deployment: Deployment, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(await token_of(deployment) + "\n", "utf-8")
    ended = await doctor(deployment.resource, "--token-file", str(token))
    assert ended.returncode == 0, ended.stdout
    assert ended.stderr == ""
    assert "No fault found." in ended.stdout
    assert not any(cause in ended.stdout for cause in (f"[{id_}]" for id_ in CAUSES))


async def test_json_says_the_same(deployment: Deployment) -> None:
    ended = await doctor(deployment.resource, "--json")
    assert ended.returncode == 0, ended.stdout
    report = json.loads(ended.stdout)
    assert report["url"] == deployment.resource
    assert report["ok"] is True
    assert {step["status"] for step in report["steps"]} == {"ok", "skipped"}
    assert [step["step"] for step in report["steps"] if step["status"] == "skipped"] == ["your own token"]


async def test_a_token_is_read_from_standard_input_and_never_printed(deployment: Deployment) -> None:
    token = await token_of(deployment)
    ended = await doctor(deployment.resource, "--token-file", "-", typed=token)
    assert ended.returncode == 0, ended.stdout
    wrong = token[:-8] + "AAAAAAAA"
    refused = await doctor(deployment.resource, "--token-file", "-", typed=wrong)
    assert refused.returncode == 1
    assert "[token-refused]" in refused.stdout
    for part in token.split("."):
        assert part not in ended.stdout + refused.stdout


async def test_cause_evidence_and_fix_are_printed(deployment: Deployment) -> None:
    ended = await doctor(f"{deployment.resource}/")
    assert ended.returncode == 1
    cause = CAUSES["resource-mismatch"]
    assert f"FAULT    metadata of the resource\n           cause  {cause.says} [{cause.id}]" in ended.stdout
    assert f"seen   resource: '{deployment.resource}', entered: '{deployment.resource}/'" in ended.stdout
    assert f"fix    {cause.fix}" in ended.stdout
    assert "steps found a fault" in ended.stdout


async def test_a_host_that_does_not_exist() -> None:
    assert await causes("https://nobody.invalid/mcp") == {"no-address"}


async def test_a_port_where_nothing_listens() -> None:
    assert await causes(f"http://127.0.0.1:{free_port()}/mcp") == {"connection-refused"}
    assert await causes(f"http://localhost:{free_port()}/mcp") == {"connection-refused"}


async def test_a_certificate_nobody_trusts(tmp_path: Path) -> None:
    ours, _ = certificate(tmp_path, "localhost")
    with serving(ours) as port:
        assert await causes(f"https://localhost:{port}/mcp") == {"tls-certificate"}


async def test_https_to_a_port_of_http() -> None:
    with serving(None) as port:
        assert await causes(f"https://127.0.0.1:{port}/mcp") == {"not-http"}


@pytest.fixture
def other_protocol() -> Iterator[int]:
    """Return a port where something greets as a mail server does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.recv(4096)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


async def test_something_else_than_http(other_protocol: int) -> None:
    assert await causes(f"http://127.0.0.1:{other_protocol}/mcp") == {"not-http"}


@pytest.mark.parametrize(
    "url",
    [
        "mcp.example.com/mcp",
        "ftp://mcp.example.com/mcp",
        "https://",
        "",
        "https://[::1/mcp",
        "https://x:99999/mcp",
    ],
)
async def test_what_is_no_url_is_said(url: str) -> None:
    ended = await doctor(url)
    assert ended.returncode == 2
    assert "must be an http or https URL" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_token_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    ended = await doctor("http://127.0.0.1/mcp", "--token-file", str(tmp_path / "none"))
    assert ended.returncode == 2
    assert "cannot be read" in ended.stderr
