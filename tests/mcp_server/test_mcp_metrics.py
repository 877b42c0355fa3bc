"""`/metrics` of the MCP server: what is counted is what was done, and no caller makes series."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from mcp_server import usage_recorder
from mcp_server.tools.context import ToolContext
from shared.clock import Clock
from shared.redis.client import StoreError
from shared.revocation import CHANNEL
from tests.support.exposition import Reading, read_metrics
from tests.support.mcp_client import HANDSHAKE, MODERN, McpClient, modern_meta
from tests.support.resource_server import OpenServer, Server, first_refusal, server_opener
from tests.support.spans import TRACEPARENT
from tests.support.tokens import SigningKey
from tests.support.trial_features import offering
from tests.support.waiting import until
from tests.support.with_sandbox import ADA_TOKEN, WithSandbox, running_sandbox

pytestmark = pytest.mark.anyio

TOOLS = "mcp_tool_calls_total"
MESSAGES = "mcp_requests_total"
REFUSALS = "mcp_refusals_total"
TOKENS = "mcp_token_refusals_total"
UPSTREAM = "valtown_requests_total"


@pytest.fixture
async def linked(
    redis: Redis, clock: Clock, signing_key: SigningKey, tmp_path: Path
) -> AsyncIterator[Server]:
    """Return a server whose grant is Ada's, with the sandbox as Val Town."""
    async with running_sandbox(tmp_path) as sandbox:
        outside = WithSandbox(keys=[signing_key.public_jwk()], sandbox=sandbox)
        async with server_opener(redis, clock, signing_key, outside)() as opened:
            await opened.link(ADA_TOKEN)
            yield opened


async def test_tool_calls_are_counted_by_tool_and_outcome(linked: Server) -> None:
    client = linked.client(scope="read")
    before = await read_metrics(linked.http)
    for _ in range(3):
        await client.call("get_me")
    await client.call("get_val", val="00000000-0000-4000-8000-000000000000")
    await client.call("get_val", number=7)
    await client.call("no_such_tool")
    await client.handshake("tools/call", {"name": "whoami", "arguments": {}})
    after = await read_metrics(linked.http)
    assert after.grown(before, TOOLS, UPSTREAM, MESSAGES) == {
        f'{TOOLS}{{outcome="ok",tool="get_me"}}': 3,
        f'{TOOLS}{{outcome="error",tool="get_val"}}': 2,
        f'{TOOLS}{{outcome="refused",tool="other"}}': 1,
        f'{TOOLS}{{outcome="ok",tool="whoami"}}': 1,
        f'{UPSTREAM}{{operation="GET /v1/me",outcome="ok"}}': 3,
        f'{UPSTREAM}{{operation="GET /v2/vals/{{val_id}}",outcome="refused"}}': 1,
        f'{MESSAGES}{{method="tools/call",revision="{MODERN}"}}': 6,
        f'{MESSAGES}{{method="tools/call",revision="{HANDSHAKE}"}}': 1,
    }
    assert after.of("mcp_tool_call_duration_seconds_count", tool="get_me") >= 3


async def test_a_call_above_the_grant_is_a_refusal_and_no_call(server: Server) -> None:
    before = await read_metrics(server.http)
    response = await server.client(scope="user:read").call("list_my_vals")
    assert response.status_code == 403
    grown = (await read_metrics(server.http)).grown(before, TOOLS, REFUSALS, UPSTREAM)
    assert grown == {f'{REFUSALS}{{reason="insufficient_scope"}}': 1}


async def test_a_tool_that_asks_fails_or_is_broken_is_told_apart(open_server: OpenServer) -> None:
    async def curious(context: ToolContext) -> None:
        assert await context.confirm("Really?")

    async def broken(context: ToolContext) -> None:
        raise RuntimeError

    async def unlucky(context: ToolContext) -> None:
        raise StoreError

    meta = {**modern_meta(), "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
    async with open_server(features=offering(curious, broken, unlucky)) as server:
        client = server.client()
        before = await read_metrics(server.http)
        for name in ("curious", "broken", "unlucky"):
            await client.call(name)
        await client.modern("tools/call", {"name": "curious", "arguments": {}, "_meta": meta})
        grown = (await read_metrics(server.http)).grown(before, TOOLS, REFUSALS)
        assert grown == {
            f'{TOOLS}{{outcome="refused",tool="curious"}}': 1,
            f'{TOOLS}{{outcome="asked",tool="curious"}}': 1,
            f'{TOOLS}{{outcome="failed",tool="broken"}}': 1,
            f'{TOOLS}{{outcome="failed",tool="unlucky"}}': 1,
            f'{REFUSALS}{{reason="-32021"}}': 1,
            f'{REFUSALS}{{reason="internal_error"}}': 1,
            f'{REFUSALS}{{reason="store_unavailable"}}': 1,
        }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "https://other.test/mcp"}, "audience"),
        ({"iss": "https://other.test"}, "issuer"),
        ({"exp": 1, "iat": 0}, "expired"),
        ({"sub": ""}, "claims"),
    ],
)
async def test_a_refused_token_counts_by_what_is_wrong_with_it(
    server: Server, changes: dict[str, object], reason: str
) -> None:
    before = await read_metrics(server.http)
    assert (await server.present(server.token(**changes))).status_code == 401
    grown = (await read_metrics(server.http)).grown(before, TOKENS, REFUSALS)
    assert grown == {f'{TOKENS}{{reason="{reason}"}}': 1, f'{REFUSALS}{{reason="invalid_token"}}': 1}


async def test_forged_and_malformed_tokens_count_apart(server: Server, second_key: SigningKey) -> None:
    good = server.token()
    before = await read_metrics(server.http)
    for token in (f"{good[:-4]}AAAA", "nonsense"):
        assert (await server.present(token)).status_code == 401
    assert (await server.http.post("/mcp", json={})).status_code == 401
    grown = (await read_metrics(server.http)).grown(before, TOKENS, REFUSALS)
    assert grown == {
        f'{TOKENS}{{reason="signature"}}': 1,
        f'{TOKENS}{{reason="malformed"}}': 1,
        f'{REFUSALS}{{reason="invalid_token"}}': 2,
        f'{REFUSALS}{{reason="no_credentials"}}': 1,
    }


async def test_a_revocation_shows_in_the_entries_and_the_refusals(server: Server) -> None:
    token = server.token()
    assert (await server.present(token)).status_code == 200
    before = await read_metrics(server.http)
    await server.redis.publish(CHANNEL, "deny grant-1 60")
    assert (await first_refusal(server, token)).status_code == 401
    after = await read_metrics(server.http)
    assert after.grown(before, TOKENS, "mcp_revocation_entries") == {
        f'{TOKENS}{{reason="revoked"}}': 1,
        "mcp_revocation_entries": 1,
    }
    assert after.of("mcp_revocation_feed_connected") == 1
    assert after.of("mcp_revocation_feed_age_seconds") < 5


async def test_a_feed_that_is_lost_shows(server: Server) -> None:
    before = await read_metrics(server.http)
    for client in await server.redis.client_list():
        if int(client["sub"]):
            await server.redis.client_kill_filter(_id=client["id"])

    async def followed_anew() -> bool:
        reading = await read_metrics(server.http)
        lost = reading.grown(before, "mcp_revocation_feed_losses_total")
        return bool(lost) and reading.of("mcp_revocation_feed_connected") == 1

    await until(followed_anew)


async def test_the_key_set_is_counted_and_its_age_is_told(server: Server) -> None:
    before = await read_metrics(server.http)
    assert before.of("mcp_jwks_keys") == 1
    server.clock.advance(120)
    reading = await read_metrics(server.http)
    assert 120 <= reading.of("mcp_jwks_age_seconds") < 180
    server.outside.issuer_down = True
    server.app.state.services.guard._verifier._jwks.changed()  # type: ignore[attr-defined]

    async def failed() -> bool:
        return (await read_metrics(server.http)).grown(before, "mcp_jwks_fetches_total") != {}

    await until(failed)
    grown = (await read_metrics(server.http)).grown(before, "mcp_jwks_fetches_total")
    assert set(grown) == {'mcp_jwks_fetches_total{outcome="failed"}'}


async def test_the_legacy_header_is_counted(server: Server) -> None:
    before = await read_metrics(server.http)
    client = McpClient(server.http, headers={"X-Val-Town-Token": "vtwn_old"})
    for _ in range(2):
        await client.modern("tools/list")
    grown = (await read_metrics(server.http)).grown(before, "mcp_legacy_token_requests_total")
    assert grown == {"mcp_legacy_token_requests_total": 2}


async def test_usage_that_waits_and_that_is_dropped_shows(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_recorder, "MAX_GRANTS", 1)
    before = await read_metrics(server.http)
    for grant in ("grant-1", "grant-2", "grant-2"):
        await server.client(gid=grant).call("whoami")
    after = await read_metrics(server.http)
    assert after.of("mcp_usage_grants_waiting") == 1
    assert after.grown(before, "mcp_usage_records_dropped_total") == {"mcp_usage_records_dropped_total": 2}


async def test_bodies_that_are_refused_count_by_their_code(server: Server) -> None:
    client = server.client()
    before = await read_metrics(server.http)
    await client.post(b"{")
    await client.modern("no/such/method")
    await client.modern("tools/list", content_type="text/plain")
    await client.http.get("/mcp", headers=client.headers)
    grown = (await read_metrics(server.http)).grown(before, REFUSALS)
    assert grown == {
        f'{REFUSALS}{{reason="-32700"}}': 1,
        f'{REFUSALS}{{reason="-32601"}}': 1,
        f'{REFUSALS}{{reason="unreadable"}}': 1,
        f'{REFUSALS}{{reason="wrong_target"}}': 1,
    }


async def test_strangers_make_no_series(server: Server) -> None:
    async def all_kinds(number: int) -> Reading:
        word = f"stranger{number}"
        client = server.client()
        await client.call(word)
        await client.modern(word)
        await client.handshake(word)
        await client.modern("resources/read", {"uri": f"{word}://x"})
        await client.modern("prompts/get", {"name": word})
        await client.modern("tools/list", mcp_protocol_version=word)
        await server.http.get(f"/{word}")
        await server.http.get(f"/mcp/{word}", headers=client.headers)
        await server.http.request(word.upper(), "/mcp", headers=client.headers)
        await server.http.request(word.upper(), "/")
        await server.present(word)
        return await read_metrics(server.http)

    first = await all_kinds(0)
    last = [await all_kinds(number) for number in range(1, 4)][-1]
    assert last.values.keys() == first.values.keys()
    assert "stranger" not in str(last.values.keys()).lower()


async def test_requests_under_way_are_told(linked: Server) -> None:
    held, entered = asyncio.Event(), asyncio.Event()
    sandbox = linked.outside.sandbox  # type: ignore[attr-defined]

    class Held(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            entered.set()
            await held.wait()
            answer: httpx.Response = await sandbox.handle_async_request(request)
            return answer

    linked.outside.sandbox = Held()  # type: ignore[attr-defined]
    call = asyncio.create_task(linked.client().call("get_me"))
    await asyncio.wait_for(entered.wait(), 5)
    assert (await read_metrics(linked.http)).of("http_requests_in_flight") == 2
    held.set()
    assert (await call).status_code == 200
    assert (await read_metrics(linked.http)).of("http_requests_in_flight") == 1


async def test_what_there_is_not_is_not_told(open_server: OpenServer) -> None:
    async with open_server(oauth_enabled=False, ready=False) as server:
        assert (await server.http.get("/metrics")).status_code == 200


async def test_without_traces_val_town_hears_of_no_trace(linked: Server) -> None:
    client = linked.client()
    client.headers |= {"traceparent": TRACEPARENT, "tracestate": "a=b", "baggage": "a=b"}
    assert (await client.call("get_me")).status_code == 200
    (request,) = linked.outside.val_town_requests
    assert not {"traceparent", "tracestate", "baggage"} & request.headers.keys()


@pytest.mark.parametrize("path", ["/metrics/", "/METRICS", "/metrics;x", "/metrics%2F", "/x/metrics"])
async def test_no_other_spelling_of_the_path_gets_past_an_edge(server: Server, path: str) -> None:
    assert (await server.http.get(path)).status_code == 404
