"""The timeline of an authorization attempt: each step with place and reason, bounded, in nobody's way."""

import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import structlog
from fastapi import FastAPI
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from auth_server.settings import AuthSettings
from dev.flow import Browser, OAuthClient, Pkce, forms_of
from mcp_server.app import create_app as create_mcp_server
from mcp_server.settings import McpSettings
from shared import logs
from shared.clock import Clock
from shared.flows.recorder import BEGUN, MOST_WAITING, FlowRecorder
from shared.flows.steps import FLOW_SECONDS, Reason, Step
from shared.flows.store import MOST_REFUSALS, FlowStore
from shared.rate_limit import RateLimiter
from shared.redis.client import connect
from tests.auth_server.answers import refused, told_to_the_client, told_to_the_person
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import (
    ADA,
    ENCRYPTION_KEY,
    GRACE,
    ISSUER,
    REDIRECT_URI,
    RESOURCE,
    AuthServer,
)
from tests.auth_server.timelines import attempts, id_behind, id_on, timeline
from tests.support.mcp_client import McpClient
from tests.support.resource_server import until_ready

pytestmark = pytest.mark.anyio

UP_TO_THE_CODE = (
    Step.AUTHORIZE,
    Step.SIGN_IN_PAGE,
    Step.SIGNED_IN,
    Step.CONSENT_PAGE,
    Step.APPROVED,
    Step.CODE_SENT,
)


class OneOfSeveral(httpx.AsyncBaseTransport):
    """What stands in front of several replicas; tests say which one is next."""

    def __init__(self, first: FastAPI) -> None:
        self.next = first

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await httpx.ASGITransport(self.next).handle_async_request(request)


@asynccontextmanager
async def resource_server(
    redis: Redis, clock: Clock, issuer: FastAPI, replica: str
) -> AsyncIterator[httpx.AsyncClient]:
    settings = McpSettings(
        oauth_issuer_url=ISSUER, mcp_resource_url=RESOURCE, oauth_encryption_key=ENCRYPTION_KEY
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(issuer)) as to_issuer:
        app = create_mcp_server(settings, redis=redis, http=to_issuer, clock=clock, replica=replica)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://mcp.test") as http,
        ):
            await until_ready(http)
            yield http


def dropped(why: str) -> float:
    return REGISTRY.get_sample_value("flow_steps_dropped_total", {"why": why}) or 0.0


async def code_of(server: AuthServer, client: OAuthClient) -> tuple[str, str, Pkce]:
    """Return an approved code with the id of its attempt and its PKCE pair."""
    browser, pkce = server.browser(), Pkce.new()
    page = await browser.sign_in(await browser.open(client.authorize_url(pkce)))
    code = (await browser.decide(page)).parameters["code"]
    return code, id_behind(page), pkce


async def test_a_whole_flow_is_told_step_by_step_with_the_replica_of_each(
    open_server: OpenServer, redis: Redis, clock: Clock
) -> None:
    async with open_server(replica="auth-1:9000") as one, open_server(replica="auth-2:9000") as two:
        balancer = OneOfSeveral(one.app)
        browser = Browser(httpx.AsyncClient(transport=balancer, base_url=ISSUER), ADA)
        client, pkce = await one.registered(client_name="Notebook"), Pkce.new()
        page = await browser.open(client.authorize_url(pkce, scope="vals:read user:read"))
        balancer.next = two.app
        page = await browser.sign_in(page)
        balancer.next = one.app
        callback = await browser.decide(page, untick=["user:read"])
        client.http = two.visitor()
        tokens = (await client.redeem(callback.parameters["code"], pkce.verifier)).json()
        async with resource_server(redis, clock, one.app, "mcp-1:8000") as http:
            await McpClient(http, tokens["access_token"]).modern("tools/list")
            await McpClient(http, tokens["access_token"]).modern("tools/list")
            flow = id_behind(page)
            await timeline(redis, flow, *UP_TO_THE_CODE, Step.TOKENS_ISSUED, Step.MCP_CALLED)
        newer = (await client.refresh(tokens["refresh_token"])).json()
        await client.revoke(newer["refresh_token"])
        told = await timeline(
            redis,
            flow,
            *UP_TO_THE_CODE,
            Step.TOKENS_ISSUED,
            Step.MCP_CALLED,
            Step.REFRESHED,
            Step.REVOKED,
        )
    assert [entry.replica for entry in told] == [
        "auth-1:9000",
        "auth-1:9000",
        "auth-2:9000",
        "auth-2:9000",
        "auth-1:9000",
        "auth-1:9000",
        "auth-2:9000",
        "mcp-1:8000",
        "auth-2:9000",
        "auth-2:9000",
    ]
    assert told[0].facts == {
        "client_id": client.client_id,
        "client_name": "Notebook",
        "redirect_to": "client.example.com",
        "redirect_kind": "web",
        "scope": "vals:read user:read",
    }
    assert told[4].facts["scope"] == "vals:read"
    assert told[6].facts == {"client_auth": "client_secret_post"}
    assert told[-1].reason == Reason.BY_CLIENT
    assert 0 < await redis.ttl(f"vt:flow:{flow}") <= FLOW_SECONDS


async def test_the_first_call_is_told_once_by_whichever_resource_server(
    server: AuthServer, client: OAuthClient, redis: Redis
) -> None:
    code, flow, pkce = await code_of(server, client)
    tokens = (await client.redeem(code, pkce.verifier)).json()
    first = resource_server(redis, server.clock, server.app, "mcp-1")
    second = resource_server(redis, server.clock, server.app, "mcp-2")
    async with first as one, second as two:
        for http in (one, two, one, two):
            assert (await McpClient(http, tokens["access_token"]).modern("tools/list")).status_code == 200
        # A refused call is told too, each kind once.
        for http in (one, two):
            refusal = await McpClient(http, tokens["access_token"]).call("delete_val", val="ada/x")
            assert refusal.status_code == 403
    told = await timeline(redis, flow, *UP_TO_THE_CODE, Step.TOKENS_ISSUED, Step.MCP_CALLED, Step.MCP_REFUSED)
    assert told[-1].facts == {"status": "403"}


Start = Callable[[AuthServer, OAuthClient, Browser], Awaitable[httpx.Response]]


async def to_an_address_not_registered(
    _server: AuthServer, client: OAuthClient, browser: Browser
) -> httpx.Response:
    return await browser.open(client.authorize_url(Pkce.new(), redirect_uri="https://evil.example.com/"))


async def of_an_unknown_client(_server: AuthServer, client: OAuthClient, browser: Browser) -> httpx.Response:
    return await browser.open(client.authorize_url(Pkce.new(), client_id="client_" + "A" * 22))


async def of_a_client_without_a_document(
    _server: AuthServer, client: OAuthClient, browser: Browser
) -> httpx.Response:
    url = client.authorize_url(Pkce.new(), client_id="https://nobody.example.com/client.json")
    return await browser.open(url)


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (to_an_address_not_registered, Reason.REDIRECT_URI),
        (of_an_unknown_client, Reason.UNKNOWN_CLIENT),
        (of_a_client_without_a_document, Reason.CLIENT_DOCUMENT),
    ],
)
async def test_a_request_that_cannot_begin_shows_its_id_and_is_told_with_its_reason(
    server: AuthServer, client: OAuthClient, browser: Browser, start: Start, reason: Reason
) -> None:
    page = await start(server, client, browser)
    told_to_the_person(page)
    (told,) = await timeline(server.redis, id_on(page), Step.AUTHORIZE)
    assert told.reason == reason
    assert told.facts["told"] == "person"
    assert "client_id" in told.facts


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"code_challenge": None}, "invalid_request", Reason.CODE_CHALLENGE),
        ({"resource": "https://elsewhere.test/mcp"}, "invalid_target", Reason.INVALID_TARGET),
        ({"prompt": "none"}, "login_required", Reason.LOGIN_REQUIRED),
        ({"response_type": "token"}, "unsupported_response_type", Reason.UNSUPPORTED_RESPONSE_TYPE),
    ],
)
async def test_an_error_by_redirect_is_told_and_carries_nothing_of_it(
    server: AuthServer,
    client: OAuthClient,
    browser: Browser,
    changes: dict[str, str | None],
    error: str,
    reason: Reason,
) -> None:
    answer = await browser.http.get(client.authorize_url(Pkce.new(), **changes))
    callback = told_to_the_client(
        answer, error, redirect_uri=REDIRECT_URI, state="state-of-the-client", issuer=ISSUER
    )
    assert "flow-" not in callback.url
    (flow,) = await attempts(server.redis, 1)
    (told,) = await timeline(server.redis, flow, Step.AUTHORIZE)
    assert (told.reason, told.facts["told"]) == (reason, "client")


@pytest.mark.parametrize(
    ("token", "reason"),
    [("", Reason.NO_API_TOKEN), ("vtwn_wrong", Reason.API_TOKEN_REFUSED), (GRACE, Reason.NOT_ADMITTED)],
)
async def test_a_refused_sign_in_shows_its_id_and_is_told_with_its_reason(
    open_server: OpenServer, redis: Redis, token: str, reason: Reason
) -> None:
    async with open_server(oauth_allowed_users="ada") as server:
        browser, client = server.browser(token), await server.registered()
        page = await browser.open(client.authorize_url(Pkce.new()))
        assert "flow-" not in page.text
        again = await browser.submit(page, api_token=token)
        told = await timeline(redis, id_on(again), Step.AUTHORIZE, Step.SIGN_IN_PAGE, Step.SIGN_IN_REFUSED)
        assert id_on(again) == id_behind(page)
        assert told[-1].reason == reason


async def test_pages_that_refuse_show_the_id_of_the_attempt_they_belong_to(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    page = await browser.open(client.authorize_url(Pkce.new()))
    flow = id_behind(page)
    # In another browser, with a form of another site, without a decision, after it was answered.
    assert id_on(await server.browser().open(str(page.url))) == flow
    assert id_on(await browser.submit(page, csrf="forged")) == flow
    page = await browser.sign_in(page)
    assert id_on(await browser.send(page)) == flow
    form = {**forms_of(page.text)[0].fields, "decision": "deny"}
    await browser.http.post("/oauth/consent", data=form)
    assert id_on(await browser.http.post("/oauth/consent", data=form)) == flow
    told = await timeline(
        server.redis,
        flow,
        Step.AUTHORIZE,
        Step.SIGN_IN_PAGE,
        Step.PAGE_REFUSED,
        Step.PAGE_REFUSED,
        Step.SIGNED_IN,
        Step.CONSENT_PAGE,
        Step.PAGE_REFUSED,
        Step.DENIED,
        Step.PAGE_REFUSED,
    )
    assert [(entry.reason, entry.facts["page"]) for entry in told if entry.step is Step.PAGE_REFUSED] == [
        (Reason.STALE_PAGE, "sign-in"),
        (Reason.FOREIGN_FORM, "sign-in"),
        (Reason.NO_DECISION, "consent"),
        (Reason.STALE_PAGE, "consent"),
    ]


async def test_a_page_of_no_attempt_shows_no_id(server: AuthServer, browser: Browser) -> None:
    page = await browser.open(f"{ISSUER}/oauth/consent?txn=over")
    told_to_the_person(page)
    assert "Attempt" not in page.text


async def test_val_town_being_away_is_told_with_the_page(
    server: AuthServer, client: OAuthClient, browser: Browser
) -> None:
    page = await browser.open(client.authorize_url(Pkce.new()))
    server.val_town.fault = lambda _request: httpx.Response(500)
    away = await browser.submit(page, api_token=ADA)
    told_to_the_person(away, 503)
    told = await timeline(server.redis, id_on(away), Step.AUTHORIZE, Step.SIGN_IN_PAGE, Step.PAGE_REFUSED)
    assert told[-1].reason == Reason.TEMPORARILY_UNAVAILABLE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"code_verifier": Pkce.new().verifier}, Reason.WRONG_VERIFIER),
        ({"code_verifier": "short"}, Reason.CODE_VERIFIER),
        ({"redirect_uri": "https://client.example.com/other"}, Reason.WRONG_REDIRECT_URI),
        ({"resource": "https://elsewhere.test/mcp"}, Reason.INVALID_TARGET),
        ({"client_secret": "vtcs_wrong"}, Reason.CLIENT_SECRET),
        ({"client_id": "client_unknown"}, Reason.UNKNOWN_CLIENT),
    ],
)
async def test_a_refused_token_request_is_told_with_the_reason_that_nobody_else_learns(
    server: AuthServer, client: OAuthClient, changes: dict[str, str], reason: Reason
) -> None:
    code, flow, pkce = await code_of(server, client)
    refusal = await client.redeem(code, pkce.verifier, **changes)
    refused(refusal, refusal.status_code, refusal.json()["error"])
    assert "flow" not in refusal.text
    told = await timeline(server.redis, flow, *UP_TO_THE_CODE, Step.TOKEN_REFUSED)
    assert told[-1].reason == reason
    assert (await client.redeem(code, pkce.verifier)).status_code == 200
    await timeline(server.redis, flow, *UP_TO_THE_CODE, Step.TOKEN_REFUSED, Step.TOKENS_ISSUED)


async def test_a_code_that_is_used_twice_or_late_is_told(server: AuthServer, client: OAuthClient) -> None:
    code, flow, pkce = await code_of(server, client)
    assert (await client.redeem(code, pkce.verifier)).status_code == 200
    refused(await client.redeem(code, pkce.verifier), 400, "invalid_grant")
    told = await timeline(server.redis, flow, *UP_TO_THE_CODE, Step.TOKENS_ISSUED, Step.TOKEN_REFUSED)
    assert told[-1].reason == Reason.REUSED
    code, flow, pkce = await code_of(server, client)
    server.clock.advance(61)
    refused(await client.redeem(code, pkce.verifier), 400, "invalid_grant")
    told = await timeline(server.redis, flow, *UP_TO_THE_CODE, Step.TOKEN_REFUSED)
    assert told[-1].reason == Reason.EXPIRED
    code, flow, pkce = await code_of(server, client)
    # So late that the store has forgotten the grant.
    await server.redis.delete(f"vt:{{{code.removeprefix('vtac_').partition('.')[0]}}}:grant")
    refused(await client.redeem(code, pkce.verifier), 400, "invalid_grant")
    told = await timeline(server.redis, flow, *UP_TO_THE_CODE, Step.TOKEN_REFUSED)
    assert told[-1].reason == Reason.UNKNOWN


async def test_refreshes_are_counted_and_a_reuse_is_told(server: AuthServer, client: OAuthClient) -> None:
    code, flow, pkce = await code_of(server, client)
    first = (await client.redeem(code, pkce.verifier)).json()
    newest = first
    for _ in range(3):
        newest = (await client.refresh(newest["refresh_token"])).json()
    refused(await client.refresh(first["refresh_token"]), 400, "invalid_grant")
    told = await timeline(
        server.redis, flow, *UP_TO_THE_CODE, Step.TOKENS_ISSUED, Step.REFRESHED, Step.REFRESH_REFUSED
    )
    assert told[-2].times == 3
    assert told[-2].last >= told[-2].at
    assert told[-1].reason == Reason.REUSED


async def test_after_a_day_nothing_more_is_told(server: AuthServer, client: OAuthClient) -> None:
    code, flow, pkce = await code_of(server, client)
    tokens = (await client.redeem(code, pkce.verifier)).json()
    before = await timeline(server.redis, flow, *UP_TO_THE_CODE, Step.TOKENS_ISSUED)
    server.clock.advance(FLOW_SECONDS + 1)
    newer = (await client.refresh(tokens["refresh_token"])).json()
    assert "refresh_token" in newer
    server.clock.offset = 0.0
    await client.refresh(newer["refresh_token"])
    told = await timeline(server.redis, flow, *UP_TO_THE_CODE, Step.TOKENS_ISSUED, Step.REFRESHED)
    assert told[:-1] == before
    assert told[-1].times == 1


async def test_signing_in_for_the_page_of_connected_apps_is_an_attempt_too(
    server: AuthServer, browser: Browser
) -> None:
    page = await browser.open(f"{ISSUER}/account")
    again = await browser.submit(page, api_token="vtwn_wrong")
    told = await timeline(server.redis, id_on(again), Step.AUTHORIZE, Step.SIGN_IN_PAGE, Step.SIGN_IN_REFUSED)
    assert told[0].facts == {"purpose": "account"}


async def test_every_log_line_of_an_attempt_carries_its_id(server: AuthServer, client: OAuthClient) -> None:
    written = io.StringIO()
    logs.configure("auth_server", "oauth:*", stream=written)
    try:
        code, flow, pkce = await code_of(server, client)
        await client.redeem(code, pkce.verifier)
    finally:
        structlog.reset_defaults()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    named = {(line["event"], line.get("path")) for line in lines if line.get("flow") == flow}
    assert {event for event, _ in named} >= {"request accepted", "signed in", "approved", "tokens issued"}
    assert {path for event, path in named if event == "request" and path} == {
        "/oauth/authorize",
        "/oauth/sign-in",
        "/oauth/consent",
        "/oauth/token",
    }
    assert all(line["flow"] == flow for line in lines if "flow" in line)


async def test_no_record_holds_a_secret_or_anything_of_the_person(server: AuthServer, redis: Redis) -> None:
    canary = "Bearer vtwn_canary"
    client, browser, pkce = await server.registered(client_name=f"App {canary}"), server.browser(), Pkce.new()
    page = await browser.open(client.authorize_url(pkce))
    secrets = {"txn": page.url.params["txn"], "csrf": forms_of(page.text)[0].fields["csrf"]}
    page = await browser.sign_in(page)
    secrets |= {cookie.name: cookie.value or "" for cookie in browser.http.cookies.jar}
    flow, code = id_behind(page), (await browser.decide(page)).parameters["code"]
    await client.redeem(code, Pkce.new().verifier)
    await client.redeem(code, "of-another-shape-" + ADA)
    tokens = (await client.redeem(code, pkce.verifier)).json()
    newer = (await client.refresh(tokens["refresh_token"])).json()
    await browser.open(client.authorize_url(pkce, client_id="ada@example.com"))
    secrets |= {"code": code, "code secret": code.rpartition(".")[2], "verifier": pkce.verifier}
    secrets |= {"challenge": pkce.challenge, "state": "state-of-the-client", "api token": ADA}
    secrets |= {"secret": client.client_secret or "", "email": "@", "person": '"ada"', "canary": "canary"}
    for number, issued in enumerate((tokens, newer)):
        secrets |= {f"{name} {number}": issued[name] for name in ("access_token", "refresh_token")}
    await timeline(
        redis,
        flow,
        *UP_TO_THE_CODE,
        Step.TOKEN_REFUSED,
        Step.TOKEN_REFUSED,
        Step.TOKENS_ISSUED,
        Step.REFRESHED,
    )
    await attempts(redis, 2)
    kept = ""
    async for key in redis.scan_iter(match="vt:*flow*"):
        value = await (redis.lrange(key, 0, -1) if await redis.type(key) == "list" else redis.get(key))
        kept += f"{key} {value}"
    assert flow in kept
    assert [name for name, value in secrets.items() if value in kept] == []


async def test_a_flood_of_requests_leaves_a_bounded_number_of_records_and_disturbs_nobody(
    open_server: OpenServer, redis: Redis
) -> None:
    before = dropped("too many")
    async with open_server() as server:
        client, visitor = await server.registered(), server.visitor()
        for _ in range(BEGUN.burst + 100):
            assert (await visitor.get(client.authorize_url(Pkce.new()))).status_code == 303
        assert BEGUN.burst <= len(await FlowStore(redis).every()) <= BEGUN.burst + 20
        assert dropped("too many") > before
        # Whoever signs in gets a record all the same, from then on.
        code, flow, pkce = await code_of(server, client)
        assert (await client.redeem(code, pkce.verifier)).status_code == 200
        told = await timeline(redis, flow, *UP_TO_THE_CODE[2:], Step.TOKENS_ISSUED)
        assert told[0].facts["client_id"] == client.client_id
        assert 0 < await redis.ttl(f"vt:flow:{flow}") <= FLOW_SECONDS


async def test_one_attempt_holds_a_bounded_number_of_steps_with_room_for_what_comes_of_refusals(
    server: AuthServer, client: OAuthClient, redis: Redis
) -> None:
    code, flow, pkce = await code_of(server, client)
    before = dropped("full")
    for number in range(60):
        changes = {"code_verifier": "short"} if number % 2 else {"client_secret": "vtcs_wrong"}
        await client.redeem(code, pkce.verifier, **changes)
    assert (await client.redeem(code, pkce.verifier)).status_code == 200
    refusals = [Step.TOKEN_REFUSED] * (MOST_REFUSALS - len(UP_TO_THE_CODE))
    await timeline(redis, flow, *UP_TO_THE_CODE, *refusals, Step.TOKENS_ISSUED)
    assert dropped("full") > before
    length = max(len(text) for text in await redis.lrange(f"vt:flow:{flow}", 0, -1))
    assert length < 1024


async def test_what_a_client_calls_itself_takes_a_bounded_place(server: AuthServer, redis: Redis) -> None:
    client = await server.registered(client_name="\N{SNOWMAN}" * 100)
    page = await server.browser().open(client.authorize_url(Pkce.new()))
    (told, _) = await timeline(redis, id_behind(page), Step.AUTHORIZE, Step.SIGN_IN_PAGE)
    assert told.facts["client_name"] == "\N{SNOWMAN}" * 80


async def test_a_store_that_takes_no_timeline_changes_no_answer(
    server: AuthServer, client: OAuthClient, redis: Redis
) -> None:
    before = dropped("store")
    # A fault of the store that only records of attempts meet: the bucket is none.
    await redis.rpush(f"vt:limit:{BEGUN.name}:", "no bucket")
    tokens = await client.tokens(server.browser())
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200
    refused(await client.refresh("vtr_wrong"), 400, "invalid_grant")
    assert await attempts(redis, 1)
    assert dropped("store") > before


async def test_what_waits_for_a_store_that_hangs_is_bounded(
    redis: Redis, clock: Clock, redis_url: str
) -> None:
    async with connect(redis_url) as another:
        flows = FlowRecorder(FlowStore(another), RateLimiter(another, clock), clock, replica="here")
        before = dropped("queue")
        for _ in range(MOST_WAITING + 7):
            flows.note("flow-0000-0000-0000", Step.SIGN_IN_PAGE)
        assert dropped("queue") == before + 7
        # No record was begun: nothing is kept, and nothing waits any more.
        await flows.flush()
        flows.note("flow-0000-0000-0000", Step.AUTHORIZE, "nobody's word", begins=BEGUN, secret="canary")
        await flows.flush()
    (told,) = await timeline(redis, "flow-0000-0000-0000", Step.AUTHORIZE)
    assert (told.reason, told.facts) == (Reason.OTHER, {})


async def test_owner_mode_and_its_sign_in_are_told_the_same(open_server: OpenServer, redis: Redis) -> None:
    async with open_server(val_town_api_token=ADA) as server:
        client = await server.registered()
        _, flow, _ = await code_of(server, client)
        await timeline(redis, flow, *UP_TO_THE_CODE)


def test_the_settings_are_not_asked_for_anything(settings: AuthSettings) -> None:
    assert not [name for name in type(settings).model_fields if "flow" in name]
