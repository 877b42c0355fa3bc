"""Sign in with Val Town, where its authorization server is another implementation: npm's oidc-provider.

Our sandbox has a server of its own, written with the client; this one was not.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from dev.flow import Browser, Callback, OAuthClient, Pkce, callback_of, claims_of
from dev.mcp_messages import modern
from dev.processes import Child, free_port, start, stop
from dev.replicas import Replicas, replicate
from tests.e2e.npm import installed

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

ACCOUNT = "00000000-0000-4000-8000-00000000beef"
SHORT, LONG = 100, 3600
"""Lives of access tokens, in seconds: one is replaced when less than two minutes are left."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The peer, and what it has seen."""

    url: str
    http: httpx.Client

    def seen(self, what: str) -> Any:
        """Return what was asked of it so far."""
        return self.http.get(f"{self.url}/test/seen").json()[what]

    def refreshes(self) -> list[dict[str, Any]]:
        """Return the refresh requests so far."""
        return [each for each in self.seen("tokens") if each["grant_type"] == "refresh_token"]

    def live(self, seconds: int) -> None:
        """Let the access tokens it makes from now on live so long."""
        self.http.get(f"{self.url}/test/life", params={"seconds": seconds}).raise_for_status()

    def withdraw(self) -> None:
        """Take every connection back."""
        self.http.get(f"{self.url}/test/withdraw").raise_for_status()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Return the running peer."""
    entry = installed("oidc-provider", "9.13.3", "lib/index.js")
    port = free_port()
    script = Path(__file__).with_name("val_town_peer.mjs")
    log = tmp_path_factory.mktemp("peer") / "peer.log"
    child = start("peer", ["node", str(script), str(entry), str(port)], log)
    try:
        with httpx.Client() as http:
            found = Peer(f"http://127.0.0.1:{port}", http)
            _wait(found, child)
            yield found
    finally:
        stop([child])


def _wait(peer: Peer, child: Child) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            peer.seen("logins")
            return
        except httpx.TransportError:
            if child.has_ended() or time.monotonic() > deadline:
                pytest.fail(child.last_lines())
            time.sleep(0.1)


@pytest.fixture(scope="module")
def replicas(
    peer: Peer, database: Callable[[int], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    """Return one auth_server and three mcp_servers, for which the peer is Val Town."""
    settings = {"VAL_TOWN_API_URL": peer.url, "VAL_TOWN_OAUTH_ISSUER": peer.url}
    folder = tmp_path_factory.mktemp("with-a-peer")
    with replicate(database(11), folder, auth=1, mcp=3, **settings) as running:
        yield running


@dataclass(slots=True)
class Someone:
    """A person with a browser, and the app they connect."""

    peer: Peer
    replicas: Replicas
    http: httpx.AsyncClient
    app: OAuthClient
    browser: Browser
    tokens: dict[str, Any]

    async def connect(self, **parameters: str) -> None:
        """Sign in at the peer and allow the app."""
        pkce = Pkce.new()
        page = await self.browser.open(self.app.authorize_url(pkce, **parameters))
        page = await self.browser.submit(page, **{"with": "val-town"})
        # Off to the peer and back: a browser follows every redirect.
        page = await self.browser.http.get(page.headers["location"], follow_redirects=True)
        came_back: Callback = callback_of(await self.browser.send(page, decision="approve"))
        answer = await self.app.redeem(came_back.parameters["code"], pkce.verifier)
        assert answer.status_code == 200, answer.text
        self.tokens = answer.json()

    async def call(self, replica: int) -> dict[str, Any]:
        """Ask one replica whose account it is, which it asks Val Town."""
        request = modern("tools/call", {"name": "get_me", "arguments": {}})
        url = f"{self.replicas.mcp[replica]}/mcp"
        answer = await request.send(self.http, url, self.tokens["access_token"])
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["result"])


@pytest.fixture
async def someone(peer: Peer, replicas: Replicas) -> AsyncIterator[Someone]:
    """Return somebody who has not connected anything yet."""
    peer.live(SHORT)
    async with httpx.AsyncClient(timeout=15) as http, httpx.AsyncClient() as own:
        app = OAuthClient(http, replicas.issuer)
        await app.register()
        yield Someone(peer, replicas, http, app, Browser(own, api_token=""), {})


def is_the_account(result: dict[str, Any]) -> bool:
    return not result.get("isError") and result["structuredContent"]["username"] == "peer"


async def test_a_person_of_another_server_signs_in_and_their_app_works(peer: Peer, someone: Someone) -> None:
    await someone.connect()
    assert claims_of(someone.tokens["access_token"])["sub"] == ACCOUNT
    assert is_the_account(await someone.call(0))
    (registration,) = peer.seen("registrations")
    assert registration["token_endpoint_auth_method"] == "client_secret_post"
    asked = peer.seen("authorizations")[0]
    assert asked["code_challenge_method"] == "S256"
    assert asked["resource"] == "https://api.val.town"
    assert len(asked["state"]) >= 43
    redeemed = peer.seen("tokens")[0]
    assert redeemed["grant_type"] == "authorization_code"
    assert redeemed["resource"] == "https://api.val.town"
    assert redeemed["code_verifier"]


async def test_each_refresh_token_is_used_once_whatever_replicas_need_it(
    peer: Peer, someone: Someone
) -> None:
    await someone.connect()
    before = len(peer.refreshes())
    # The tokens of the first refresh are nearly over again when the other replicas need them.
    assert is_the_account(await someone.call(0))
    assert len(peer.refreshes()) == before + 1
    peer.live(LONG)
    calls = [someone.call(replica) for replica in (1, 2) * 10]
    assert all(is_the_account(result) for result in await asyncio.gather(*calls))
    first, second = peer.refreshes()[before:]
    assert first["refresh_token"] != second["refresh_token"], "rotated"
    assert (first["status"], second["status"]) == (200, 200)
    assert {each["resource"] for each in (first, second)} == {"https://api.val.town"}
    for replica in (1, 2):
        assert is_the_account(await someone.call(replica))


async def test_a_connection_taken_back_is_told_and_signing_in_again_mends_it(
    peer: Peer, someone: Someone
) -> None:
    await someone.connect()
    peer.withdraw()
    result = await someone.call(0)
    assert result["isError"] is True
    assert "sign in" in result["content"][0]["text"], result
    peer.live(LONG)
    # A program cannot mend it, a person can.
    await someone.connect(prompt="login")
    assert is_the_account(await someone.call(0))
    refused = peer.refreshes()[-1]
    assert refused["status"] == 400
