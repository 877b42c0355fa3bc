"""A person takes access back on /account while the app calls 100 times a second, on two replicas.

It asserts a time, as no other test does: within a second is what people are promised.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from dev.flow import Browser, OAuthClient, claims_of, forms_of
from dev.mcp_messages import modern
from dev.replicas import Replicas, replicate
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

CALLS_PER_SECOND = 100
PROMISED_SECONDS = 1.0
BEFORE_SECONDS, AFTER_SECONDS = 1.0, 1.5


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def replicas(database: Callable[[int], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Return one auth_server and two mcp_servers."""
    with replicate(database(12), tmp_path_factory.mktemp("revoked"), auth=1, mcp=2) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Return a client for many calls at once."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(timeout=10, limits=limits) as client:
        yield client


@dataclass(slots=True)
class Load:
    """Calls with one access token, evenly over both replicas; each with when it began and its answer."""

    http: httpx.AsyncClient
    urls: tuple[str, ...]
    token: str
    answers: list[tuple[float, int]] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        """Call at a steady pace, whether or not earlier calls were answered."""
        begun = time.monotonic()
        calls = []
        for number in range(int(seconds * CALLS_PER_SECOND)):
            await asyncio.sleep(max(0.0, begun + number / CALLS_PER_SECOND - time.monotonic()))
            calls.append(asyncio.create_task(self._call(self.urls[number % len(self.urls)])))
        await asyncio.gather(*calls)

    async def _call(self, url: str) -> None:
        at = time.monotonic()
        request = modern("tools/call", {"name": "whoami", "arguments": {}})
        answer = await request.send(self.http, url, self.token)
        self.answers.append((at, answer.status_code))


async def connected(http: httpx.AsyncClient, replicas: Replicas, browser: Browser) -> tuple[OAuthClient, Any]:
    client = OAuthClient(http, replicas.issuer)
    await client.register(token_endpoint_auth_method="none")
    return client, await client.tokens(browser, scope="vals:read blobs:read")


async def press(browser: Browser, issuer: str, action: str, done: str, grant: str, **fields: str) -> float:
    """Send a form of /account; return when its answer was there."""
    page = await browser.open(f"{issuer}/account")
    forms = [form for form in forms_of(page.text) if form.action.endswith(action)]
    form = next(form for form in forms if form.fields["grant"] == grant)
    hidden = {name: value for name, value in form.fields.items() if not name.startswith("scope.")}
    answer = await browser.http.post(f"{issuer}{form.action}", data={**hidden, **fields})
    at = time.monotonic()
    assert answer.headers["location"].endswith(done), answer.headers["location"]
    return at


def check(load: Load, taken_back_at: float) -> None:
    """Check that calls were accepted before, and none a second after; and not one that followed a refusal."""
    before = {status for at, status in load.answers if at < taken_back_at - 0.5}
    assert before == {200}
    accepted = [at for at, status in load.answers if status == 200]
    assert max(accepted) - taken_back_at < PROMISED_SECONDS
    late = [status for at, status in load.answers if at >= taken_back_at + PROMISED_SECONDS]
    assert len(late) > CALLS_PER_SECOND * (AFTER_SECONDS - PROMISED_SECONDS) * 0.5
    assert set(late) == {401}
    assert {status for _, status in load.answers} == {200, 401}


@requirement("O33", "H173")
async def test_the_next_call_of_a_disconnected_app_is_refused(
    http: httpx.AsyncClient, replicas: Replicas
) -> None:
    async with httpx.AsyncClient() as own:
        browser = Browser(own, "vtwn_sandbox_ada")
        client, tokens = await connected(http, replicas, browser)
        load = Load(http, tuple(f"{url}/mcp" for url in replicas.mcp), tokens["access_token"])
        calling = asyncio.create_task(load.run(BEFORE_SECONDS + AFTER_SECONDS))
        await asyncio.sleep(BEFORE_SECONDS)
        grant = claims_of(tokens["access_token"])["gid"]
        taken_back_at = await press(browser, replicas.issuer, "/account/revoke", "=revoked", grant)
        await calling
    check(load, taken_back_at)
    assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_the_next_call_of_a_narrowed_app_is_refused_and_refreshing_brings_the_rest(
    http: httpx.AsyncClient, replicas: Replicas
) -> None:
    async with httpx.AsyncClient() as own:
        browser = Browser(own, "vtwn_sandbox_ada")
        client, tokens = await connected(http, replicas, browser)
        urls = tuple(f"{url}/mcp" for url in replicas.mcp)
        load = Load(http, urls, tokens["access_token"])
        calling = asyncio.create_task(load.run(BEFORE_SECONDS + AFTER_SECONDS))
        await asyncio.sleep(BEFORE_SECONDS)
        grant = claims_of(tokens["access_token"])["gid"]
        kept = {"keep": "ticked", "scope.vals:read": "on", "scope.files:read": "on"}
        taken_back_at = await press(browser, replicas.issuer, "/account/narrow", "=narrowed", grant, **kept)
        await calling
    check(load, taken_back_at)
    less = (await client.refresh(tokens["refresh_token"])).json()
    assert less["scope"] == "vals:read"
    again = Load(http, urls, less["access_token"])
    await again.run(0.2)
    assert {status for _, status in again.answers} == {200}
