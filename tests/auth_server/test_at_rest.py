"""Nothing that opens anything is readable in the store or in the logs (RFC 6749 section 10)."""

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from redis.asyncio import Redis

from auth_server.domain.generate import digest
from auth_server.settings import AuthSettings
from dev.flow import Browser, OAuthClient, Pkce, forms_of
from shared import logs
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ADA, GRACE, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Return everything that is logged, at the highest level of detail."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("auth_server", "*", stream=stream)
    root.setLevel(logging.DEBUG)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


@pytest.fixture
async def raw(redis_url: str, redis: Redis, anyio_backend: str) -> AsyncIterator[Redis]:
    """Return a client that reads bytes."""
    async with Redis.from_url(redis_url) as client:
        yield client


async def everything_kept(raw: Redis) -> bytes:
    """Return every name and value of the store: as dumped, and as read, because a dump may be compressed."""
    kept = []
    async for key in raw.scan_iter(count=1000):
        kept += [key, await raw.dump(key) or b""]
        kind = await raw.type(key)
        if kind == b"hash":
            kept += [part for pair in (await raw.hgetall(key)).items() for part in pair]
        elif kind == b"string":
            kept.append(await raw.get(key) or b"")
        elif kind == b"zset":
            kept += await raw.zrange(key, 0, -1)
        elif kind == b"list":
            kept += await raw.lrange(key, 0, -1)
        else:
            raise AssertionError(f"{key!r} is a {kind!r}: read it here too")
    return b"\x00".join(kept)


class Secrets:
    """Everything of some flows that must not be readable anywhere."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {"val town token": ADA}

    def take_page(self, name: str, browser: Browser, form: dict[str, str]) -> None:
        self.values[f"{name} handle"] = form["txn"]
        self.values[f"{name} form token"] = form["csrf"]
        self.values |= {cookie.name: cookie.value or "" for cookie in browser.http.cookies.jar}

    def take_tokens(self, name: str, tokens: dict[str, str]) -> None:
        self.values[f"{name} access token"] = tokens["access_token"]
        self.values[f"{name} signature"] = tokens["access_token"].rpartition(".")[2]
        self.values[f"{name} refresh token"] = tokens["refresh_token"]
        self.values[f"{name} refresh token body"] = tokens["refresh_token"].removeprefix("vtr_")


async def flows(server: AuthServer, secrets: Secrets) -> None:
    """Go through everything that handles a secret, and leave some of it unfinished."""
    browser, client, pkce = server.browser(), await server.registered(), Pkce.new()
    secrets.values |= {"client secret": client.client_secret or "", "verifier": pkce.verifier}
    page = await browser.open(client.authorize_url(pkce))
    secrets.take_page("sign-in", browser, forms_of(page.text)[0].fields)
    page = await browser.sign_in(page)
    secrets.take_page("consent", browser, forms_of(page.text)[0].fields)
    code = (await browser.decide(page)).parameters["code"]
    secrets.values |= {"code": code, "code secret": code.rpartition(".")[2]}
    tokens = (await client.redeem(code, pkce.verifier)).json()
    secrets.take_tokens("first", tokens)
    newer = (await client.refresh(tokens["refresh_token"])).json()
    secrets.take_tokens("second", newer)
    await client.refresh(tokens["refresh_token"])
    await refusals(server, client, secrets)
    waiting = await browser.open(client.authorize_url(Pkce.new()))
    secrets.take_page("waiting", browser, forms_of(waiting.text)[0].fields)
    secrets.values["waiting code"], _ = await server.code(client, browser)


async def refusals(server: AuthServer, client: OAuthClient, secrets: Secrets) -> None:
    """Go through refusals too: they are where careless programs log what they were sent."""
    other = await server.registered()
    tokens = await other.tokens(server.browser())
    secrets.values["other client secret"] = other.client_secret or ""
    secrets.take_tokens("revoked", tokens)
    await client.refresh(tokens["refresh_token"])
    await client.redeem(secrets.values["code"], Pkce.new().verifier)
    await client.http.post(f"/oauth/token?client_secret={client.client_secret}", data={})
    await client.post("/oauth/token", {"grant_type": "refresh_token", "client_secret": "x" + ADA})
    await client.http.get(f"/{tokens['refresh_token']}?access_token={tokens['access_token']}")
    await other.revoke(tokens["access_token"])
    await other.revoke(tokens["refresh_token"])
    page = await server.browser().open(client.authorize_url(Pkce.new()))
    await server.browser().http.post("/oauth/sign-in", data={**forms_of(page.text)[0].fields})


@requirement("L228")
async def test_no_secret_is_readable_in_the_store(server: AuthServer, raw: Redis, pem: str) -> None:
    secrets = Secrets()
    await flows(server, secrets)
    kept = await everything_kept(raw)
    readable = [name for name, value in secrets.values.items() if value.encode() in kept]
    assert readable == []
    assert b"PRIVATE KEY" not in kept
    assert pem.splitlines()[5].encode() not in kept
    # What is kept of a secret is its hash: the search itself would find something.
    assert digest(secrets.values["waiting code"]).encode() in kept
    assert digest(secrets.values["second refresh token"]).encode() in kept
    assert digest(secrets.values["client secret"]).encode() in kept


@requirement("L228")
async def test_the_answer_kept_for_the_grace_window_opens_with_the_old_token_alone(
    server: AuthServer, raw: Redis
) -> None:
    client = await server.registered()
    tokens = await client.tokens(server.browser())
    newer = (await client.refresh(tokens["refresh_token"])).json()
    kept = await everything_kept(raw)
    assert b":successor" in kept
    for value in newer.values():
        if isinstance(value, str) and len(value) > 20:
            assert value.encode() not in kept


@requirement("L236")
async def test_no_secret_is_in_any_log_line(
    server: AuthServer, log: io.StringIO, settings: AuthSettings, pem: str
) -> None:
    secrets = Secrets()
    await flows(server, secrets)
    lines = log.getvalue()
    logged = [name for name, value in secrets.values.items() if value in lines]
    assert logged == []
    assert settings.oauth_encryption_key is not None
    assert settings.oauth_encryption_key.get_secret_value() not in lines
    assert pem.splitlines()[5] not in lines


async def test_the_log_tells_what_happened_as_json_lines(server: AuthServer, log: io.StringIO) -> None:
    client = await server.registered()
    tokens = await client.tokens(server.browser())
    await client.refresh(tokens["refresh_token"])
    await client.revoke(tokens["refresh_token"])
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    told = {line["event"] for line in lines}
    assert {
        "client registered",
        "signed in",
        "approved",
        "tokens issued",
        "tokens refreshed",
        "grant revoked",
    } <= told
    assert all(line["service"] == "auth_server" for line in lines)
    assert all("request_id" in line for line in lines if line.get("namespace") == "oauth:token")


@requirement("L228")
async def test_in_owner_mode_the_server_s_token_is_kept_nowhere(open_server: OpenServer, raw: Redis) -> None:
    async with open_server(val_town_api_token=ADA) as server:
        await (await server.registered()).tokens(server.browser())
        kept = await everything_kept(raw)
        assert ADA.encode() not in kept
        assert GRACE.encode() not in kept
        assert b":credential" in kept
