"""Traces: one goes through both services to Val Town, no caller forces one, and no secret is in any."""

import io
import json
import os
from collections.abc import Iterator

import httpx
import pytest

from shared.trace_export import ATTRIBUTES
from tests.auth_server.deployment import ADA
from tests.security.deployment import MCP_ORIGIN, Deployment
from tests.security.flows import live_through
from tests.security.test_canaries import found, misuse_the_endpoints, use_the_tools
from tests.support.mcp_client import McpClient, modern_meta
from tests.support.spans import PARENT, TRACE, TRACEPARENT, Spans, id_of, parent_of, trace_of, traced

pytestmark = pytest.mark.anyio

OTHER_TRACE = "a" * 32


@pytest.fixture
def sampling() -> dict[str, str]:
    """Return what the operator says about sampling."""
    return {}


@pytest.fixture(autouse=True)
def spans(sampling: dict[str, str]) -> Iterator[Spans]:
    """Return what is exported; before the services are made, which ask whether traces are on."""
    with traced(sampling) as kept:
        yield kept


@pytest.fixture
async def client(spans: Spans, deployment: Deployment) -> McpClient:
    """Return an MCP client of Ada's, whose requests belong to a trace."""
    app = deployment.client()
    await app.register()
    tokens = await app.tokens(deployment.browser())
    spans.clear()
    deployment.auth.val_town.requests.clear()
    client = deployment.mcp(tokens["access_token"])
    client.headers["traceparent"] = TRACEPARENT
    return client


def sent_to_val_town(deployment: Deployment) -> list[str]:
    return [request.headers["traceparent"] for request in deployment.auth.val_town.requests]


async def test_a_trace_goes_from_the_client_through_the_tool_to_val_town(
    deployment: Deployment, client: McpClient, spans: Spans
) -> None:
    assert (await client.call("get_me")).status_code == 200
    request, tool, call = (spans.named(name) for name in ("POST /mcp", "tools/call get_me", "GET /v1/me"))
    assert [trace_of(span) for span in (request, tool, call)] == [TRACE] * 3
    assert parent_of(request) == PARENT
    assert parent_of(tool) == id_of(request)
    assert parent_of(call) == id_of(tool)
    assert sent_to_val_town(deployment) == [f"00-{TRACE}-{id_of(call)}-01"]
    credential = spans.named("get")
    assert parent_of(credential) == id_of(tool)
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/mcp",
        "http.response.status_code": 200,
    }
    assert dict(tool.attributes or {})["gen_ai.tool.name"] == "get_me"
    assert dict(call.attributes or {}) == {"http.request.method": "GET", "url.template": "/v1/me"}


async def test_the_trace_that_a_call_names_in_its_meta_is_gone_on_with(
    deployment: Deployment, client: McpClient, spans: Spans
) -> None:
    meta = {**modern_meta(), "traceparent": f"00-{OTHER_TRACE}-{PARENT}-01"}
    await client.modern("tools/call", {"name": "get_me", "arguments": {}, "_meta": meta})
    tool, request = spans.named("tools/call get_me"), spans.named("POST /mcp")
    assert (trace_of(tool), parent_of(tool)) == (OTHER_TRACE, PARENT)
    assert [link.context.span_id for link in tool.links] == [request.get_span_context().span_id]
    assert sent_to_val_town(deployment)[0].startswith(f"00-{OTHER_TRACE}-")


@pytest.mark.parametrize("told", ["", "nonsense", 7, None, "00-" + "0" * 32 + f"-{PARENT}-01", "x" * 10_000])
async def test_a_meta_that_names_no_trace_changes_nothing(
    client: McpClient, spans: Spans, told: object
) -> None:
    meta = {**modern_meta(), "traceparent": told}
    answer = await client.modern("tools/call", {"name": "get_me", "arguments": {}, "_meta": meta})
    assert answer.status_code == 200
    assert trace_of(spans.named("tools/call get_me")) == TRACE


async def test_a_tool_that_fails_is_a_span_that_failed(client: McpClient, spans: Spans) -> None:
    await client.call("get_val", val="ada/no-such-val")
    assert dict(spans.named("tools/call get_val").attributes or {})["error.type"] == "tool_error"


async def test_the_authorization_server_makes_spans_of_its_requests_and_of_the_store(
    deployment: Deployment, client: McpClient, spans: Spans
) -> None:
    app = deployment.client()
    await app.register()
    tokens = await app.tokens(deployment.browser())
    # The store may not know the script yet, and would be asked twice.
    tokens = (await app.refresh(tokens["refresh_token"])).json()
    app.http.headers["traceparent"] = TRACEPARENT
    spans.clear()
    await app.refresh(tokens["refresh_token"])
    request = spans.named("POST /oauth/token")
    assert (trace_of(request), parent_of(request)) == (TRACE, PARENT)
    assert dict(request.attributes or {})["http.response.status_code"] == 200
    assert parent_of(spans.named("rotate_refresh_token")) == id_of(request)


async def test_the_issuer_is_asked_within_the_trace(
    deployment: Deployment, client: McpClient, spans: Spans
) -> None:
    answer = await client.http.get(
        f"{MCP_ORIGIN}/.well-known/oauth-authorization-server", headers={"traceparent": TRACEPARENT}
    )
    assert answer.status_code == 200
    of_each = [
        span
        for span in spans.of(TRACE)
        if span.name == "GET /.well-known/oauth-authorization-server" and span.kind.name == "SERVER"
    ]
    assert len(of_each) == 2, "one of the MCP server, one of the authorization server"
    (call,) = [span for span in spans.of(TRACE) if span.kind.name == "CLIENT"]
    assert parent_of(of_each[0]) == id_of(call)


async def test_no_secret_and_nothing_of_a_caller_is_in_a_span_or_a_metric(
    deployment: Deployment, spans: Spans
) -> None:
    story = await live_through(deployment)
    await use_the_tools(deployment, story)
    await misuse_the_endpoints(deployment, story)
    canary = "canary-of-a-caller"
    client = deployment.mcp(story.tokens["access_token"])
    client.headers |= {
        "traceparent": TRACEPARENT,
        "tracestate": f"vendor={canary}",
        "baggage": f"user={canary}",
        "user-agent": canary,
        "x-forwarded-for": canary,
    }
    await client.call("get_val", val=canary)
    await client.call(canary)
    await client.modern("tools/call", {"name": "get_me", "_meta": {**modern_meta(), "baggage": canary}})
    visitor = deployment.visitor()
    await visitor.get(f"/oauth/authorize?client_id={canary}&state={canary}&code_challenge={canary}")
    await visitor.get(f"/oauth/callback/val-town?code={canary}&state={canary}")
    await visitor.get(f"/oauth/register/{canary}", headers={"Authorization": f"Bearer {canary}"})
    await visitor.request(canary.upper(), f"/{canary}", headers={"Host": f"{canary}.example"})
    exported = [span.to_json() for span in spans.all()]
    assert len(exported) > 100
    assert {name for span in spans.all() for name in (span.attributes or {})} <= ATTRIBUTES
    metrics = [(await visitor.get(f"{origin}/metrics")).text for origin in ("", MCP_ORIGIN)]
    for texts in (exported, metrics):
        assert found({**story.secrets, "canary": canary}, texts) == []
        assert canary not in "\0".join(texts).lower()
        assert ADA not in "\0".join(texts)


async def test_baggage_of_a_caller_does_not_reach_val_town(deployment: Deployment, client: McpClient) -> None:
    client.headers["baggage"] = "user=somebody"
    await client.call("get_me")
    (request,) = deployment.auth.val_town.requests
    assert "baggage" not in request.headers


async def test_log_lines_name_their_trace(
    logged: io.StringIO, deployment: Deployment, client: McpClient
) -> None:
    logged.truncate(0)
    logged.seek(0)
    await client.call("get_me")
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    of_the_trace = [line["event"] for line in lines if line.get("trace_id") == TRACE]
    assert {"request", "caller", "upstream call"} <= set(of_the_trace)


async def test_machines_that_look_every_few_seconds_make_no_spans(
    deployment: Deployment, spans: Spans
) -> None:
    spans.clear()
    visitor = deployment.visitor()
    for origin in ("", MCP_ORIGIN):
        for path in ("/healthz", "/readyz", "/metrics"):
            await visitor.get(origin + path, headers={"traceparent": TRACEPARENT})
    assert spans.of(TRACE) == []


@pytest.mark.parametrize(
    ("sampling", "flag", "taken"),
    [
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, "01", False),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, "01", False),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_on"}, "00", False),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, "00", True),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, "01", True),
    ],
)
async def test_the_operator_decides_which_traces_are_kept(
    deployment: Deployment, client: McpClient, spans: Spans, flag: str, *, taken: bool
) -> None:
    client.headers["traceparent"] = f"00-{TRACE}-{PARENT}-{flag}"
    await client.call("get_me")
    assert bool(spans.of(TRACE)) == taken
    (sent,) = sent_to_val_town(deployment)
    # The trace is named either way, and whether it is kept.
    assert sent.startswith(f"00-{TRACE}-")
    assert sent.endswith("-01" if taken else "-00")


async def test_fastapi_exports_nothing_by_itself(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any(name.startswith("OTEL_") for name in os.environ)
    for app in (deployment.auth.app, deployment.network.hosts["mcp.test"].app):  # type: ignore[attr-defined]
        assert app._telemetry["auto_configure"] is False
        assert (app._telemetry["logs"], app._telemetry["metrics"]) == (False, False)


async def test_nothing_is_sent_anywhere_for_a_visitor_without_a_trace(
    deployment: Deployment, spans: Spans
) -> None:
    spans.clear()
    answer = await deployment.visitor().get("/account", headers={"traceparent": "nonsense"})
    assert answer.status_code in (httpx.codes.OK, httpx.codes.SEE_OTHER)
    assert parent_of(spans.named("GET /account")) is None
