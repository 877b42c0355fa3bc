"""The proxy before the replicas: strictly in turn, streams as they come, and it keeps what it saw."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dev.round_robin import RoundRobin, round_robin
from tests.support.served import serving

pytestmark = pytest.mark.anyio


def replica(name: str) -> Starlette:
    async def answer(request: Request) -> Response:
        told = {"from": name, "host": request.headers["host"], "body": (await request.body()).decode()}
        return JSONResponse({**told, "query": request.url.query}, 401, {"WWW-Authenticate": "Bearer"})

    async def endless(_request: Request) -> Response:
        async def events() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            await asyncio.Event().wait()

        return StreamingResponse(events(), media_type="text/event-stream")

    return Starlette(
        routes=[Route("/events", endless), Route("/{path:path}", answer, methods=["GET", "POST"])]
    )


@pytest.fixture
async def proxy() -> AsyncIterator[RoundRobin]:
    async with AsyncExitStack() as opened:
        ports = [await opened.enter_async_context(serving(replica(name))) for name in ("one", "two")]
        running = await opened.enter_async_context(round_robin())
        running.send_to([f"http://127.0.0.1:{port}" for port in ports])
        yield running


async def test_no_two_requests_in_a_row_reach_the_same_replica(proxy: RoundRobin) -> None:
    async with httpx.AsyncClient() as http:
        answers = [(await http.get(f"{proxy.url}/any")).json()["from"] for _ in range(5)]
    assert answers == ["one", "two", "one", "two", "one"]
    assert [exchange.replica for exchange in proxy.seen] == [0, 1, 0, 1, 0]


async def test_requests_and_answers_pass_unchanged(proxy: RoundRobin) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{proxy.url}/a/b?x=%2F&x=2", data={"grant_type": "refresh_token"})
    assert answer.status_code == 401
    assert answer.headers.get_list("www-authenticate") == ["Bearer"]
    assert answer.json() == {
        "from": "one",
        "host": proxy.url.removeprefix("http://"),
        "body": "grant_type=refresh_token",
        "query": "x=%2F&x=2",
    }


async def test_what_went_through_is_kept(proxy: RoundRobin) -> None:
    async with httpx.AsyncClient() as http:
        await http.post(f"{proxy.url}/token?a=b", data={"c": "d"}, headers={"Authorization": "Bearer secret"})
    (exchange,) = proxy.seen
    assert (exchange.method, exchange.path, exchange.query, exchange.form) == (
        "POST",
        "/token",
        {"a": "b"},
        {"c": "d"},
    )
    assert (exchange.status, exchange.answer["www-authenticate"], exchange.bearer) == (
        401,
        "Bearer",
        "secret",
    )


async def test_a_stream_arrives_before_it_ends_and_a_client_may_leave_it(proxy: RoundRobin) -> None:
    async with httpx.AsyncClient(timeout=5) as http:
        async with http.stream("GET", f"{proxy.url}/events") as answer:
            assert await anext(answer.aiter_raw()) != b""
        assert (await http.get(f"{proxy.url}/any")).json()["from"] == "two"


async def test_a_replica_that_is_gone_is_a_502_and_the_next_one_answers() -> None:
    async with round_robin() as proxy, serving(replica("two")) as port, httpx.AsyncClient() as http:
        proxy.send_to(["http://127.0.0.1:9", f"http://127.0.0.1:{port}"])
        assert [(await http.get(proxy.url)).status_code for _ in range(2)] == [502, 401]
