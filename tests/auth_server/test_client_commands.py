"""`python -m auth_server clients`: apps that the operator registers, over the store of a running server."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dev.flow import OAuthClient, Pkce
from tests.auth_server.answers import refused, told_to_the_person
from tests.auth_server.deployment import ENCRYPTION_KEY, ISSUER, REDIRECT_URI, AuthServer

pytestmark = pytest.mark.anyio

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Awaitable[Ended]]
SELF_REGISTERED = "Nobody has checked its name"


@pytest.fixture
def clients(server: AuthServer, redis_url: str, tmp_path: Path) -> Command:
    """Return a way to run the command, in a folder without `.env`."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
        "REDIS_URL": redis_url,
        "OAUTH_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "OAUTH_ISSUER_URL": ISSUER,
    }

    def run(*arguments: str) -> Ended:
        command = [sys.executable, "-m", "auth_server", "clients", *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    async def in_thread(*arguments: str) -> Ended:
        return await asyncio.to_thread(run, *arguments)

    return in_thread


async def created(clients: Command, *arguments: str) -> dict[str, Any]:
    """Return what `create` prints."""
    ended = await clients(
        "create", "--name", "Known App", "--redirect-uri", REDIRECT_URI, *arguments, "--json"
    )
    assert ended.returncode == 0, ended.stderr
    printed: dict[str, Any] = json.loads(ended.stdout)
    return printed


def client_of(server: AuthServer, printed: dict[str, Any]) -> OAuthClient:
    """Return the client that can use what was printed."""
    client = server.client()
    client.client_id, client.client_secret = printed["client_id"], printed.get("client_secret")
    return client


async def test_an_app_of_the_operator_works_never_expires_and_says_so(
    server: AuthServer, clients: Command
) -> None:
    printed = await created(clients, "--client-id", "known-app")
    assert printed["client_id"] == "known-app"
    client, browser = client_of(server, printed), server.browser()
    consent = await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
    html = told_to_the_person(consent, 200)
    assert "was registered by the operator" in html
    assert SELF_REGISTERED not in html
    tokens = await client.tokens(server.browser())
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200
    # Being used gives it no end either.
    assert await server.redis.ttl("vt:client:known-app") == -1
    # And the secret is nowhere but on the operator's screen.
    record = await server.redis.hgetall("vt:client:known-app")
    assert printed["client_secret"] not in str(record)


async def test_an_app_that_registered_itself_says_so(server: AuthServer, client: OAuthClient) -> None:
    browser = server.browser()
    consent = await browser.sign_in(await browser.open(client.authorize_url(Pkce.new())))
    assert SELF_REGISTERED in told_to_the_person(consent, 200)


async def test_a_public_app_has_no_secret_and_is_shared_with_nobody(
    server: AuthServer, clients: Command
) -> None:
    printed = await created(clients, "--public")
    assert "client_secret" not in printed
    assert "access_token" in await client_of(server, printed).tokens(server.browser())
    same = await server.registered(token_endpoint_auth_method="none", client_name="Known App")
    assert same.client_id != printed["client_id"]


async def test_apps_are_listed_and_shown_without_their_secret(server: AuthServer, clients: Command) -> None:
    own = await server.registered()
    printed = await created(clients)
    listed = json.loads((await clients("list", "--json")).stdout)
    assert [entry["client_id"] for entry in listed] == [printed["client_id"]]
    for client_id, by in ((printed["client_id"], "operator"), (own.client_id, "client")):
        shown = json.loads((await clients("show", client_id, "--json")).stdout)
        assert (shown["client_id"], shown["registered_by"]) == (client_id, by)
    for arguments in (("list",), ("show", printed["client_id"])):
        ended = await clients(*arguments)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert printed["client_id"] in ended.stdout
        assert printed["client_secret"] not in ended.stdout


@pytest.mark.parametrize("kind", ["client_secret_basic", "none"])
async def test_the_operator_removes_any_app_with_all_its_grants(
    server: AuthServer, clients: Command, kind: str
) -> None:
    metadata = {"token_endpoint_auth_method": kind, "client_name": "An App"}
    client, other = await server.registered(**metadata), await server.registered(**metadata)
    tokens = await client.tokens(server.browser())
    # Whether it is shared or not.
    assert (other.client_id == client.client_id) == (kind == "none")
    ended = await clients("delete", client.client_id, "--json")
    assert json.loads(ended.stdout) == {"deleted": client.client_id}
    refused(await client.refresh(tokens["refresh_token"]), 401, "invalid_client")
    assert await server.is_denied(tokens)
    assert (await clients("delete", client.client_id)).returncode == 1
    assert (await clients("show", client.client_id)).returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--redirect-uri", "http://client.example.com/callback"),
        ("--redirect-uri", "javascript:alert(1)"),
        ("--redirect-uri", REDIRECT_URI, "--client-id", "with space"),
        ("--redirect-uri", REDIRECT_URI, "--client-id", "https://client.example.com/metadata"),
        ("--redirect-uri", REDIRECT_URI, "--client-id", "4e2b6a5c-3d1f-4c8a-9f00-1234567890ab"),
        ("--redirect-uri", REDIRECT_URI, "--client-id", "client_chosen"),
        ("--redirect-uri", REDIRECT_URI, "--client-id", "x" * 101),
    ],
)
async def test_the_operator_is_bound_to_the_same_rules(
    server: AuthServer, clients: Command, arguments: tuple[str, ...]
) -> None:
    ended = await clients("create", "--name", "Known App", *arguments)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert [key async for key in server.redis.scan_iter(match="vt:client:*")] == []


async def test_an_id_is_given_once(server: AuthServer, clients: Command) -> None:
    first = await created(clients, "--client-id", "known-app")
    again = await clients(
        "create", "--name", "Another", "--redirect-uri", "https://other.example/", "--client-id", "known-app"
    )
    assert again.returncode == 1
    assert "access_token" in await client_of(server, first).tokens(server.browser())
