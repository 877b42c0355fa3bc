"""A store that is gone, hangs or refuses: 503 with Retry-After, never a refusal of anybody's credentials."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from auth_server.settings import AuthSettings
from dev.flow import Browser, OAuthClient, Pkce, callback_of, forms_of
from shared.clock import Clock
from shared.redis.client import connect
from shared.web.health import UNREADY_SECONDS
from tests.auth_server.answers import refused, told_to_the_person
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ADA, AuthServer, ValTown, running
from tests.auth_server.faulty_wire import Fault, Wire, wire_to
from tests.requirements import requirement
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

FAST = [
    Fault.REFUSED,
    Fault.LOADING,
    Fault.READ_ONLY,
    Fault.OUT_OF_MEMORY,
    Fault.NO_PASSWORD,
    Fault.NO_REPLICAS,
    Fault.DISK_FULL,
    Fault.CLUSTER_DOWN,
]

Request = Callable[[], Awaitable[httpx.Response]]


@pytest.fixture(scope="module")
async def wire(redis_url: str, anyio_backend: str) -> AsyncIterator[Wire]:
    async with wire_to(redis_url) as opened:
        yield opened


@pytest.fixture(scope="module")
async def shared_server(
    settings: AuthSettings, sandbox: FastAPI, wire: Wire, in_use: set[str], anyio_backend: str
) -> AsyncIterator[AuthServer]:
    """Return a server that reaches its store through the wire."""
    async with connect(wire.url) as client:
        await client.flushdb()
        async with running(settings, client, Clock(), ValTown(sandbox)) as opened:
            in_use.update([key async for key in client.scan_iter()])
            yield opened


@pytest.fixture(autouse=True)
async def repaired(wire: Wire) -> AsyncIterator[None]:
    yield
    await wire.repair()


async def prepare(server: AuthServer, name: str) -> Request:
    """Do everything that comes before a request; return the request."""
    client, browser = await server.registered(), server.browser()
    url = client.authorize_url(Pkce.new())
    if name in MANAGED:
        return await _management_requests(server, name)
    if name in ("register", "register as a program", "authorize"):
        return _first_steps(client, browser, url)[name]
    if name in ("redeem", "refresh", "revoke", "introspect"):
        return await _token_requests(server, client, name)
    page = await browser.open(url)
    if name in ("approve", "deny", "consent page"):
        page = await browser.sign_in(page)
    form = dict(forms_of(page.text)[0].fields)
    requests: dict[str, Request] = {
        "sign-in page": lambda: browser.http.get(str(page.url)),
        "consent page": lambda: browser.http.get(str(page.url)),
        "sign-in": lambda: browser.http.post("/oauth/sign-in", data={**form, "api_token": ADA}),
        "approve": lambda: browser.http.post("/oauth/consent", data={**form, "decision": "approve"}),
        "deny": lambda: browser.http.post("/oauth/consent", data={**form, "decision": "deny"}),
    }
    return requests[name]


def _first_steps(client: OAuthClient, browser: Browser, url: str) -> dict[str, Request]:
    body = {"redirect_uris": [client.redirect_uri]}
    return {
        "register": lambda: client.http.post("/oauth/register", json=body),
        "register as a program": lambda: client.http.post(
            "/oauth/register", json=body | {"token_endpoint_auth_method": "none"}
        ),
        "authorize": lambda: browser.http.get(url),
    }


async def _token_requests(server: AuthServer, client: OAuthClient, name: str) -> Request:
    code, pkce = await server.code(client)
    if name == "redeem":
        return lambda: client.redeem(code, pkce.verifier)
    refresh_token = (await client.redeem(code, pkce.verifier)).json()["refresh_token"]
    if name == "refresh":
        return lambda: client.refresh(refresh_token)
    if name == "introspect":
        return lambda: client.introspect(refresh_token)
    return lambda: client.revoke(refresh_token)


async def _management_requests(server: AuthServer, name: str) -> Request:
    client = server.client()
    registered = await client.register()
    await client.tokens(server.browser())
    url = registered["registration_client_uri"]
    headers = {"Authorization": f"Bearer {registered['registration_access_token']}"}
    body = {"client_id": client.client_id, "redirect_uris": [client.redirect_uri]}
    requests: dict[str, Request] = {
        "read registration": lambda: client.http.get(url, headers=headers),
        "change registration": lambda: client.http.put(url, headers=headers, json=body),
        "remove registration": lambda: client.http.delete(url, headers=headers),
    }
    return requests[name]


MANAGED = ["read registration", "change registration", "remove registration"]
PROGRAMS = ["register", "register as a program", "redeem", "refresh", "revoke", "introspect", *MANAGED]
PAGES = ["authorize", "sign-in page", "sign-in", "consent page", "approve", "deny"]


def is_unavailable(response: httpx.Response, name: str) -> None:
    assert int(response.headers["retry-after"]) >= 1
    if name in PAGES:
        told_to_the_person(response, 503)
    else:
        refused(response, 503, "temporarily_unavailable")


@pytest.mark.parametrize("name", [*PROGRAMS, *PAGES])
@pytest.mark.parametrize("fault", [*FAST, Fault.SILENT], ids=lambda fault: fault.name)
async def test_a_fault_of_the_store_is_503_and_the_same_request_works_afterwards(
    server: AuthServer, wire: Wire, name: str, fault: Fault
) -> None:
    request = await prepare(server, name)
    wire.cut(fault)
    is_unavailable(await request(), name)
    await wire.repair()
    assert (await request()).status_code in (200, 201, 204, 303)


@pytest.mark.parametrize("sendings", range(9))
@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_store_that_dies_halfway_loses_nothing_that_a_second_try_needs(
    server: AuthServer, wire: Wire, name: str, sendings: int
) -> None:
    request = await prepare(server, name)
    wire.cut_after(sendings)
    first = await request()
    if first.status_code not in (200, 201, 204):
        is_unavailable(first, name)
        await wire.repair()
        assert (await request()).status_code in (200, 201, 204)


@pytest.mark.parametrize("sendings", range(9))
async def test_a_store_that_dies_during_approval_sends_nobody_to_the_client_without_a_good_code(
    server: AuthServer, wire: Wire, sendings: int
) -> None:
    client, browser, pkce = await server.registered(), server.browser(), Pkce.new()
    page = await browser.sign_in(await browser.open(client.authorize_url(pkce)))
    form = {**forms_of(page.text)[0].fields, "decision": "approve"}
    wire.cut_after(sendings)
    answer = await browser.http.post("/oauth/consent", data=form)
    await wire.repair()
    if answer.status_code == 303:
        code = callback_of(answer).parameters["code"]
        assert (await client.redeem(code, pkce.verifier)).status_code == 200
    else:
        is_unavailable(answer, "approve")
    assert "code" in (await browser.approve(client.authorize_url(pkce))).parameters


@requirement("F1")
async def test_a_refresh_whose_reply_was_lost_is_answered_at_the_second_try(
    server: AuthServer, wire: Wire
) -> None:
    client = await server.registered()
    tokens = await client.tokens(server.browser())
    wire.cut(Fault.REPLY_LOST)
    is_unavailable(await client.refresh(tokens["refresh_token"]), "refresh")
    await wire.repair()
    newer = (await client.refresh(tokens["refresh_token"])).json()
    assert (await client.refresh(newer["refresh_token"])).status_code == 200


@requirement("V3", "F120")
async def test_a_revocation_whose_reply_was_lost_is_not_reported_as_done(
    server: AuthServer, wire: Wire
) -> None:
    client = await server.registered()
    tokens = await client.tokens(server.browser())
    wire.cut(Fault.REPLY_LOST)
    is_unavailable(await client.revoke(tokens["refresh_token"]), "revoke")
    await wire.repair()
    assert (await client.revoke(tokens["refresh_token"])).status_code == 200
    refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")


@pytest.mark.parametrize("fault", [*FAST, Fault.SILENT], ids=lambda fault: fault.name)
async def test_what_needs_no_store_goes_on(server: AuthServer, wire: Wire, fault: Fault) -> None:
    http = server.visitor()
    assert (await http.get("/readyz")).status_code == 200
    wire.cut(fault)
    for path in ("/.well-known/oauth-authorization-server", "/.well-known/jwks.json", "/healthz", "/metrics"):
        assert (await http.get(path)).status_code == 200
    # One blip is forgiven: it would take all replicas out of service at once.
    assert (await http.get("/readyz")).status_code == 200
    server.clock.advance(UNREADY_SECONDS)
    ready = await http.get("/readyz")
    assert ready.status_code == 503
    assert int(ready.headers["retry-after"]) >= 1
    assert ready.json()["checks"]["store"] == "failing"
    await wire.repair()
    assert (await http.get("/readyz")).status_code == 200


async def test_refusals_that_need_no_store_are_the_same_as_ever(server: AuthServer, wire: Wire) -> None:
    http = server.visitor()
    wire.cut(Fault.REFUSED)
    refused(await http.post("/oauth/register", json={}), 400, "invalid_redirect_uri")
    refused(await http.post("/oauth/token", data={"grant_type": "password"}), 400, "unsupported_grant_type")
    refused(await http.post("/oauth/revoke", json={}), 415, "invalid_request")


async def test_after_a_restart_of_the_store_no_request_is_lost_to_a_dead_connection(
    server: AuthServer, wire: Wire
) -> None:
    client = await server.registered()
    await asyncio.gather(*(client.refresh("vtr_x") for _ in range(16)))
    wire.cut(Fault.REFUSED)
    await wire.repair()
    answers = await asyncio.gather(*(client.refresh("vtr_x") for _ in range(16)))
    assert {answer.status_code for answer in answers} == {400}


async def test_requests_at_the_same_moment_all_get_503_in_time(server: AuthServer, wire: Wire) -> None:
    client = await server.registered()
    wire.cut(Fault.SILENT)
    async with asyncio.timeout(5):
        # More than there are connections: some wait for one in vain.
        answers = await asyncio.gather(*(client.refresh("vtr_x") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {503}
    await wire.repair()
    assert (await client.refresh("vtr_x")).status_code == 400


async def test_a_server_that_starts_before_its_store_is_ready_once_the_store_is(
    settings: AuthSettings, redis: Redis, wire: Wire, clock: Clock, val_town: ValTown
) -> None:
    wire.cut(Fault.REFUSED)
    async with connect(wire.url) as client, running(settings, client, clock, val_town) as server:
        http = server.visitor()
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/.well-known/oauth-authorization-server")).status_code == 200
        checks = (await http.get("/readyz")).json()["checks"]
        assert checks == {"store": "failing", "eviction": "ok", "keys": "failing"}
        refused(await http.get("/.well-known/jwks.json"), 503, "temporarily_unavailable")
        await wire.repair()

        async def ready() -> bool:
            return (await http.get("/readyz")).status_code == 200

        await until(ready)
        # One, or two when the key that stands by is there already.
        assert (await http.get("/.well-known/jwks.json")).json()["keys"]
        assert await server.works()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_store_that_evicts_makes_a_replica_unready_until_it_does_not(
    server: AuthServer, redis: Redis, policy: str
) -> None:
    http = server.visitor()

    async def told(state: str) -> bool:
        return bool((await http.get("/readyz")).json()["checks"]["eviction"] == state)

    await until(lambda: told("ok"))
    await redis.config_set("maxmemory-policy", policy)
    try:
        await until(lambda: told("failing"))
        assert (await http.get("/readyz")).status_code == 503
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")
    await until(lambda: told("ok"))


async def test_a_full_store_refuses_what_adds_and_takes_what_revokes(
    server: AuthServer, redis: Redis
) -> None:
    client = await server.registered()
    code, pkce = await server.code(client)
    tokens = await client.tokens(server.browser())
    other = await client.tokens(server.browser())
    await redis.config_set("maxmemory", 1)
    try:
        is_unavailable(await client.redeem(code, pkce.verifier), "redeem")
        is_unavailable(await client.refresh(tokens["refresh_token"]), "refresh")
        assert (await client.revoke(other["refresh_token"])).status_code == 200
        assert await server.is_denied(other)
    finally:
        await redis.config_set("maxmemory", 0)
    assert (await client.redeem(code, pkce.verifier)).status_code == 200
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_store_without_the_replicas_it_wants_is_503_and_reads_go_on(
    server: AuthServer, redis: Redis
) -> None:
    client = await server.registered()
    tokens = await client.tokens(server.browser())
    await redis.config_set("min-replicas-to-write", 1)
    try:
        is_unavailable(await client.refresh(tokens["refresh_token"]), "refresh")
        is_unavailable(await client.revoke(tokens["refresh_token"]), "revoke")
        assert (await client.introspect(tokens["access_token"])).json()["active"]
    finally:
        await redis.config_set("min-replicas-to-write", 0)
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_store_that_forgot_its_scripts_is_no_fault(server: AuthServer, redis: Redis) -> None:
    client = await server.registered()
    code, pkce = await server.code(client)
    await redis.script_flush()
    tokens = (await client.redeem(code, pkce.verifier)).json()
    await redis.script_flush()
    newer = (await client.refresh(tokens["refresh_token"])).json()
    await redis.script_flush()
    assert (await client.revoke(newer["refresh_token"])).status_code == 200
    assert await server.is_denied(newer)


async def test_a_server_with_another_encryption_key_than_its_store_is_never_ready(
    open_server: OpenServer, server: AuthServer
) -> None:
    assert await server.works()
    async with open_server(oauth_encryption_key=base64.b64encode(b"x" * 32).decode()) as other:
        http = other.visitor()
        assert (await http.get("/readyz")).json()["checks"]["keys"] == "failing"
        refused(await http.get("/.well-known/jwks.json"), 503, "temporarily_unavailable")
    assert await server.works()
