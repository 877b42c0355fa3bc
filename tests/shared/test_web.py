"""The middleware both services run: bounds on bodies and headers, request ids, headers, CORS, health."""

import asyncio
from collections.abc import Callable, Mapping

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from shared.redis.client import connect
from shared.web.cors import CorsRule, CorsRules
from shared.web.edge import Edge
from shared.web.health import health_router, store_answers
from shared.web.limits import BODY_SECONDS, RequestRefusedError, read_body
from shared.web.security_headers import RawHeaders, security_headers
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


def scope(*headers: tuple[str, str]) -> Scope:
    return {"type": "http", "headers": [(name.encode(), value.encode()) for name, value in headers]}


def sender(*chunks: bytes) -> Callable[[], "asyncio.Future[Message]"]:
    """Return a receive function that gives the chunks and then waits for ever, as a slow client does."""
    waiting = list(chunks)

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting) or body != b"the end"}

    return receive  # type: ignore[return-value]


async def test_a_body_within_its_bounds_is_read() -> None:
    assert await read_body(scope(), sender(b"a", b"", b"the end"), limit=8) == b"athe end"


@requirement("J206")
@pytest.mark.parametrize("length", ["9", "99999999999999999"])
async def test_a_declared_length_beyond_the_limit_is_refused_before_reading(length: str) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        await read_body(scope(("content-length", length)), sender(), limit=8)
    assert refused.value.status == 413


@requirement("J206")
async def test_an_undeclared_length_beyond_the_limit_is_refused_while_reading() -> None:
    with pytest.raises(RequestRefusedError) as refused:
        await read_body(scope(), sender(b"12345678", b"9"), limit=8)
    assert refused.value.status == 413


async def test_a_length_that_lies_does_not_help() -> None:
    with pytest.raises(RequestRefusedError) as refused:
        await read_body(scope(("content-length", "1")), sender(b"123456789"), limit=8)
    assert refused.value.status == 413


@requirement("J207")
async def test_a_body_that_takes_too_long_is_refused() -> None:
    assert BODY_SECONDS <= 10
    with pytest.raises(RequestRefusedError) as refused:
        await read_body(scope(), sender(b"a"), limit=8, seconds=0.01)
    assert refused.value.status == 408


async def test_a_connection_that_closes_is_refused() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(RequestRefusedError) as refused:
        await read_body(scope(), receive, limit=8)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "lengths", [["-1"], ["+1"], ["1 "], ["x"], [""], ["1", "1"], ["1", "2"], ["1, 1"], ["9" * 19]]
)
async def test_a_malformed_length_is_refused(lengths: list[str]) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        await read_body(scope(*(("content-length", one) for one in lengths)), sender(b"the end"), limit=8)
    assert refused.value.status == 400


@requirement("J210")
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip"])
async def test_an_encoded_body_is_refused(encoding: str) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        await read_body(scope(("content-encoding", encoding)), sender(b"the end"), limit=8)
    assert refused.value.status == 415
    assert await read_body(scope(("content-encoding", "identity")), sender(b"the end"), limit=8) == b"the end"


async def answer(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def own_policy(_request: Request) -> Response:
    return PlainTextResponse("ok", headers={"Content-Security-Policy": "default-src 'self'"})


def on_bug(_scope: Scope) -> Response:
    return PlainTextResponse("something went wrong", 500)


def client_of(*, security: RawHeaders = (), rules: Mapping[str, CorsRule] | None = None) -> httpx.AsyncClient:
    routes = [Route("/", answer), Route("/open/x", answer), Route("/policy", own_policy)]
    routed = Starlette(routes=routes)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/bug":
            raise RuntimeError("a bug")
        await routed(scope, receive, send)

    edge = Edge(app, namespace="test:http", security=security, cors=CorsRules(rules or {}), on_bug=on_bug)
    return httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="https://service.test")


async def test_headers_are_bounded_in_sum() -> None:
    http = client_of()
    assert (await http.get("/", headers={"X-Big": "x" * 30_000})).status_code == 200
    assert (await http.get("/", headers={"X-Big": "x" * 33_000})).status_code == 431
    assert (await http.get("/", headers=[("Host", "a"), ("Host", "b")])).status_code == 400


async def test_a_request_id_of_a_proxy_is_kept_when_it_looks_like_one() -> None:
    http = client_of()
    kept = await http.get("/", headers={"X-Request-Id": "0af7651916cd43dd-8448eb211c80319c"})
    assert kept.headers["x-request-id"] == "0af7651916cd43dd-8448eb211c80319c"
    for sent in ("short", "x" * 65, "a b c d e f g", "<script>alert</script>", "-leading-dash", ""):
        made = (await http.get("/", headers={"X-Request-Id": sent})).headers["x-request-id"]
        assert made != sent
        assert len(made) == 16
    made = [(await http.get("/")).headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]


def counted(method: str, status: str) -> float:
    return (
        REGISTRY.get_sample_value("http_requests_total", {"method": method, "route": "/", "status": status})
        or 0.0
    )


async def test_requests_are_counted_under_a_bounded_set_of_labels() -> None:
    http = client_of()
    before = counted("GET", "200"), counted("other", "405")
    await http.get("/")
    await http.request("BREW", "/")
    assert (counted("GET", "200"), counted("other", "405")) == (before[0] + 1, before[1] + 1)


@requirement("K225", "J214")
async def test_security_headers_are_added_and_a_page_s_own_policy_stays() -> None:
    http = client_of(security=security_headers(https=True))
    for path in ("/", "/nowhere"):
        headers = (await http.get(path)).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "max-age" in headers["strict-transport-security"]
    assert (await http.get("/policy")).headers["content-security-policy"] == "default-src 'self'"
    plain = client_of(security=security_headers(https=False))
    assert "strict-transport-security" not in (await plain.get("/")).headers


@requirement("O28")
async def test_cors_is_for_listed_paths_only_and_never_with_cookies() -> None:
    rules = {"/": CorsRule(methods=("GET",)), "/open/*": CorsRule(methods=("GET", "POST"))}
    http = client_of(rules=rules)
    origin = {"Origin": "https://app.example"}
    preflight = {**origin, "Access-Control-Request-Method": "POST"}
    for path in ("/", "/open/x"):
        response = await http.get(path, headers=origin)
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers
        assert "WWW-Authenticate" in response.headers["access-control-expose-headers"]
        assert (await http.options(path, headers=preflight)).status_code == 204
    for response in (
        await http.get("/policy", headers=origin),
        await http.options("/policy", headers=preflight),
    ):
        assert not [name for name in response.headers if name.startswith("access-control")]
    assert not [name for name in (await http.get("/")).headers if name.startswith("access-control")]


async def test_a_bug_is_an_answer_with_every_header_of_others() -> None:
    rules = {"/bug": CorsRule(methods=("GET",))}
    http = client_of(security=security_headers(https=True), rules=rules)
    response = await http.get("/bug", headers={"Origin": "https://app.example"})
    assert (response.status_code, response.text) == (500, "something went wrong")
    for name in ("x-request-id", "x-frame-options", "access-control-allow-origin"):
        assert name in response.headers


async def test_what_is_refused_before_the_app_can_be_read_by_a_page() -> None:
    http = client_of(rules={"/": CorsRule(methods=("GET",))})
    response = await http.get("/", headers={"Origin": "https://app.example", "X-Big": "x" * 33_000})
    assert response.status_code == 431
    assert response.headers["access-control-allow-origin"] == "*"


async def test_liveness_never_depends_on_anything_and_readiness_tells_what_fails(redis: Redis) -> None:
    async def no() -> bool:
        return False

    nowhere = connect("redis://127.0.0.1:1/0")
    app, failing = FastAPI(), FastAPI()
    app.include_router(health_router({"store": store_answers(redis)}))
    failing.include_router(health_router({"store": store_answers(nowhere), "other": no}))
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as good,
        httpx.AsyncClient(transport=httpx.ASGITransport(failing), base_url="http://x") as bad,
    ):
        assert (await good.get("/readyz")).json() == {"status": "ready", "checks": {"store": "ok"}}
        assert (await bad.get("/healthz")).status_code == 200
        response = await bad.get("/readyz")
        assert response.status_code == 503
        assert response.json()["checks"] == {"store": "failing", "other": "failing"}
        metrics = await good.get("/metrics")
        assert metrics.status_code == 200
        assert "http_requests_total" in metrics.text
