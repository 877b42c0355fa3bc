"""`/metrics` of the authorization server: what is counted is what was done, and no caller makes series."""

import httpx
import pytest

from auth_server.settings import AuthSettings
from dev.flow import Browser, OAuthClient, Pkce
from shared.clock import Clock
from shared.redis.client import connect
from tests.auth_server.answers import refused
from tests.auth_server.deployment import ISSUER, Answer, AuthServer, ValTown, running
from tests.auth_server.faulty_wire import Fault, wire_to
from tests.auth_server.internet import Internet
from tests.support.exposition import Reading, read_metrics

pytestmark = pytest.mark.anyio

TOKENS = "oauth_tokens_issued_total"
REFUSALS = "oauth_refusals_total"
CODES = "oauth_code_redemptions_total"
REFRESHES = "oauth_refreshes_total"
REVOCATIONS = "oauth_grant_revocations_total"
DOCUMENTS = "oauth_client_document_fetches_total"
URL = "https://app.example.com/oauth/client.json"


async def test_a_flow_counts_its_tokens_and_nothing_else(
    http: httpx.AsyncClient, client: OAuthClient, browser: Browser
) -> None:
    before = await read_metrics(http)
    tokens = await client.tokens(browser)
    await client.refresh(tokens["refresh_token"])
    grown = (await read_metrics(http)).grown(before, TOKENS, CODES, REFRESHES, REFUSALS, REVOCATIONS)
    assert grown == {
        f'{TOKENS}{{grant_type="authorization_code"}}': 1,
        f'{TOKENS}{{grant_type="refresh_token"}}': 1,
        f'{CODES}{{outcome="ok"}}': 1,
        f'{REFRESHES}{{outcome="ok"}}': 1,
    }


async def test_a_repeated_refresh_is_told_from_one_that_ends_the_family(
    server: AuthServer, http: httpx.AsyncClient, client: OAuthClient, browser: Browser
) -> None:
    tokens = await client.tokens(browser)
    before = await read_metrics(http)
    await client.refresh(tokens["refresh_token"])
    await client.refresh(tokens["refresh_token"])
    server.clock.advance(61)
    refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    grown = (await read_metrics(http)).grown(before, TOKENS, REFRESHES, REFUSALS, REVOCATIONS)
    assert grown == {
        f'{TOKENS}{{grant_type="refresh_token"}}': 2,
        f'{REFRESHES}{{outcome="ok"}}': 1,
        f'{REFRESHES}{{outcome="replayed"}}': 1,
        f'{REFRESHES}{{outcome="reused"}}': 1,
        f'{REFRESHES}{{outcome="unknown"}}': 1,
        f'{REFUSALS}{{endpoint="/oauth/token",reason="invalid_grant"}}': 2,
        f'{REVOCATIONS}{{reason="refresh_token_reused"}}': 1,
    }


async def test_a_code_that_is_replayed_ends_its_grant_once(
    server: AuthServer, http: httpx.AsyncClient, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    before = await read_metrics(http)
    await client.redeem(code, pkce.verifier)
    for _ in range(3):
        refused(await client.redeem(code, pkce.verifier), 400, "invalid_grant")
    grown = (await read_metrics(http)).grown(before, CODES, REVOCATIONS)
    assert grown == {
        f'{CODES}{{outcome="ok"}}': 1,
        f'{CODES}{{outcome="reused"}}': 1,
        f'{CODES}{{outcome="unknown"}}': 2,
        f'{REVOCATIONS}{{reason="code_reused"}}': 1,
    }


async def test_a_revocation_counts_once(
    http: httpx.AsyncClient, client: OAuthClient, browser: Browser
) -> None:
    tokens = await client.tokens(browser)
    before = await read_metrics(http)
    for _ in range(2):
        assert (await client.revoke(tokens["refresh_token"])).status_code == 200
    grown = (await read_metrics(http)).grown(before, REVOCATIONS)
    assert grown == {f'{REVOCATIONS}{{reason="revoked_by_client"}}': 1}


async def test_registrations_are_new_or_shared(server: AuthServer, http: httpx.AsyncClient) -> None:
    before = await read_metrics(http)
    metadata = {"token_endpoint_auth_method": "none", "client_name": "Counted"}
    for _ in range(3):
        await server.registered(**metadata)
    await server.registered(client_name="Another")
    answer = await http.post("/oauth/register", json={"redirect_uris": ["http://far.example/"]})
    refused(answer, 400, "invalid_redirect_uri")
    grown = (await read_metrics(http)).grown(before, "oauth_registrations_total", REFUSALS)
    assert grown == {
        'oauth_registrations_total{outcome="new"}': 2,
        'oauth_registrations_total{outcome="shared"}': 2,
        f'{REFUSALS}{{endpoint="/oauth/register",reason="invalid_redirect_uri"}}': 1,
    }


async def test_refusals_are_told_by_endpoint_and_reason(
    server: AuthServer, http: httpx.AsyncClient, client: OAuthClient
) -> None:
    before = await read_metrics(http)
    await http.post("/oauth/token", data={"grant_type": "password"})
    await http.post("/oauth/token", data={"grant_type": "refresh_token", "client_id": "nobody"})
    await http.get(client.authorize_url(Pkce.new(), redirect_uri="https://other.example/"))
    await http.get(client.authorize_url(Pkce.new(), response_type="token"))
    await http.get("/account/nothing")
    await http.delete("/oauth/token")
    grown = (await read_metrics(http)).grown(before, REFUSALS)
    assert grown == {
        f'{REFUSALS}{{endpoint="/oauth/token",reason="unsupported_grant_type"}}': 1,
        f'{REFUSALS}{{endpoint="/oauth/token",reason="invalid_client"}}': 1,
        f'{REFUSALS}{{endpoint="/oauth/authorize",reason="untrusted_redirect"}}': 1,
        f'{REFUSALS}{{endpoint="/oauth/authorize",reason="unsupported_response_type"}}': 1,
        f'{REFUSALS}{{endpoint="other",reason="not_found"}}': 1,
        f'{REFUSALS}{{endpoint="/oauth/token",reason="method_not_allowed"}}': 1,
    }


async def test_requests_are_counted_and_timed_by_their_route(
    http: httpx.AsyncClient, client: OAuthClient
) -> None:
    before = await read_metrics(http)
    for client_id in (client.client_id, "another"):
        await http.get(f"/oauth/register/{client_id}")
    after = await read_metrics(http)
    grown = after.grown(before, "http_requests_total", "http_request_duration_seconds_count")
    # The reading itself: the first one was not over when it told what there was.
    for name in ('http_requests_total{method="GET",route="/metrics",status="200"}',):
        assert grown.pop(name) == 1
    assert grown.pop('http_request_duration_seconds_count{route="/metrics"}') == 1
    route = "/oauth/register/{client_id}"
    assert grown == {
        f'http_requests_total{{method="GET",route="{route}",status="401"}}': 2,
        f'http_request_duration_seconds_count{{route="{route}"}}': 2,
    }
    assert after.of("http_requests_in_flight") == 1


async def test_documents_of_clients_are_counted_by_how_the_fetch_ended(
    server: AuthServer, internet: Internet, http: httpx.AsyncClient
) -> None:
    internet = server.internet
    before = await read_metrics(http)
    app = server.client("https://app.example.com/callback")
    app.client_id = URL
    await http.get(app.authorize_url(Pkce.new()))
    internet.publish(
        URL,
        {
            "client_id": URL,
            "client_name": "Notebook",
            "redirect_uris": ["https://app.example.com/callback"],
            "token_endpoint_auth_method": "none",
        },
    )
    await http.get(app.authorize_url(Pkce.new()))
    await http.get(app.authorize_url(Pkce.new()))
    internet.refused.add("93.184.216.34")
    app.client_id = URL.replace("app.", "down.")
    await http.get(app.authorize_url(Pkce.new()))
    grown = (await read_metrics(http)).grown(before, DOCUMENTS)
    assert grown == {
        f'{DOCUMENTS}{{outcome="no_document"}}': 1,
        f'{DOCUMENTS}{{outcome="ok"}}': 1,
        f'{DOCUMENTS}{{outcome="unavailable"}}': 1,
    }


async def test_a_limit_that_is_reached_counts(server: AuthServer, http: httpx.AsyncClient) -> None:
    client = await server.registered()
    before = await read_metrics(http)
    client.client_secret = "wrong"
    statuses = [(await client.refresh("vtr_x")).status_code for _ in range(22)]
    assert statuses.count(429) == 2
    after = await read_metrics(http)
    assert after.grown(before, "rate_limit_hits_total") == {'rate_limit_hits_total{limit="secret"}': 2}
    assert after.grown(before, REFUSALS) == {
        f'{REFUSALS}{{endpoint="/oauth/token",reason="invalid_client"}}': 20,
        f'{REFUSALS}{{endpoint="/oauth/token",reason="temporarily_unavailable"}}': 2,
    }


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.REFUSED, "connection"),
        (Fault.READ_ONLY, "read_only"),
        (Fault.OUT_OF_MEMORY, "full"),
        (Fault.SILENT, "timeout"),
    ],
)
async def test_a_fault_of_the_store_counts_by_what_was_asked_of_it(
    fault: Fault, reason: str, settings: AuthSettings, val_town: ValTown, redis_url: str
) -> None:
    async with (
        wire_to(redis_url) as wire,
        connect(wire.url) as redis,
        running(settings, redis, Clock(), val_town) as server,
    ):
        http = server.visitor()
        before = await read_metrics(http)
        wire.cut(fault)
        metadata = {"redirect_uris": ["https://client.example.com/callback"]}
        assert (await http.post("/oauth/register", json=metadata)).status_code == 503
        grown = (await read_metrics(http)).grown(before, "store_errors_total")
        assert grown == {f'store_errors_total{{operation="take_tokens",reason="{reason}"}}': 1}
        await wire.repair()


async def test_scripts_are_timed_by_name(
    http: httpx.AsyncClient, client: OAuthClient, browser: Browser
) -> None:
    before = await read_metrics(http)
    await client.tokens(browser)
    grown = (await read_metrics(http)).grown(before, "store_operation_duration_seconds_count")
    assert grown['store_operation_duration_seconds_count{operation="create_grant"}'] == 1
    assert grown['store_operation_duration_seconds_count{operation="redeem_authorization_code"}'] == 1


def answering(status: int) -> Answer:
    return lambda _request: httpx.Response(status)


async def test_val_town_is_counted_by_operation_and_outcome(
    server: AuthServer, http: httpx.AsyncClient, client: OAuthClient, browser: Browser
) -> None:
    before = await read_metrics(http)
    page = await browser.open(client.authorize_url(Pkce.new()))
    for status in (401, 429, 500, 403):
        server.val_town.fault = answering(status)
        await browser.send(page, api_token="vtwn_x")
    server.val_town.fault = None
    await browser.sign_in(page)
    grown = (await read_metrics(http)).grown(before, "valtown_requests_total")
    # The consent page offers the person's vals.
    assert grown.pop('valtown_requests_total{operation="GET /v2/me/vals",outcome="ok"}') == 1
    assert grown == {
        f'valtown_requests_total{{operation="GET /v1/me",outcome="{outcome}"}}': 1
        for outcome in ("ok", "unauthorized", "rate_limited", "failing", "refused")
    }


async def test_strangers_make_no_series(server: AuthServer, http: httpx.AsyncClient) -> None:
    async def all_kinds(number: int) -> Reading:
        word = f"stranger{number}"
        await http.get(f"/{word}")
        await http.get(f"/oauth/register/{word}")
        await http.request(word.upper(), "/oauth/token")
        await http.request(word.upper(), f"/{word}")
        await http.post("/oauth/token", data={"grant_type": word, "client_id": word, "code": word})
        await http.get("/oauth/authorize", params={"client_id": word, "response_type": word})
        await http.get("/oauth/authorize", params={"client_id": f"https://{word}.example/x.json"})
        await http.get("/", headers={"Host": f"{word}.example"})
        return await read_metrics(http)

    first = await all_kinds(0)
    last = [await all_kinds(number) for number in range(1, 4)][-1]
    assert last.values.keys() == first.values.keys()
    assert "stranger" not in str(last.values.keys()).lower()


async def test_the_levels_are_those_of_this_replica(http: httpx.AsyncClient) -> None:
    reading = await read_metrics(http)
    assert reading.of("oauth_signing_keys_loaded") == 1
    assert [name for name, labels in reading.values if ("service", "auth_server") in labels] == ["build_info"]


async def test_a_counter_that_matters_is_there_before_it_counts(http: httpx.AsyncClient) -> None:
    reading = await read_metrics(http)
    for reason in ("refresh_token_reused", "code_reused", "revoked_by_operator"):
        assert reading.has(REVOCATIONS, reason=reason)
    assert reading.has(REFRESHES, outcome="reused")
    assert ISSUER not in str(reading.values)


@pytest.mark.parametrize("path", ["/metrics/", "/METRICS", "/metrics;x", "/metrics%2F", "/x/metrics"])
async def test_no_other_spelling_of_the_path_gets_past_an_edge(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404
