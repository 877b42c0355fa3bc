"""Val Town's linked lists, raw bodies, and the bound on what one user may have running at a time."""

import asyncio
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from shared.valtown.client import ValTownClient
from shared.valtown.endpoints.sqlite import Statement
from shared.valtown.endpoints.telemetry import Window
from shared.valtown.errors import RateLimited, Unavailable
from shared.valtown.fair_share import FairShares
from shared.valtown.transport import Bounds
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

BASE_URL = "https://api.example.test"


class Body(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


class Upstream:
    """Answers everything with one JSON text, when `gate` is open; counts what runs at the same time."""

    def __init__(self, content: str, status: int = 200, **headers: str) -> None:
        self.content = content
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.requests: list[httpx.Request] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.pauses: list[float] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await self.gate.wait()
        return httpx.Response(self.status, headers=self.headers, stream=Body(self.content.encode()))

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def client(
        self, shares: FairShares | None = None, user: str = "ada", bounds: Bounds | None = None
    ) -> ValTownClient:
        return ValTownClient(
            httpx.AsyncClient(transport=httpx.MockTransport(self)),
            BASE_URL,
            "token",
            bounds=bounds or Bounds(),
            share=shares.of(user) if shares else None,
            sleep=self.pause,
        )


def page(next_link: str) -> str:
    return f'{{"data": [], "links": {{"self": "s", "next": "{next_link}"}}}}'


async def test_the_next_page_is_asked_for_by_what_its_link_says() -> None:
    upstream = Upstream(page(f"{BASE_URL}/v2/vals?cursor=2026-01-01T00%3A00%3A00Z&limit=1&evil=1"))
    found = await upstream.client().all_vals(user_id="u")
    assert found.has_more
    assert found.next_query == {"cursor": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        ("https://evil.example/v2/vals?cursor=x", "x"),
        ("http://api.example.test/v1/me?cursor=x", "x"),
        (
            "//evil.example/v2/vals?cursor=https%3A%2F%2Fevil.example%2F%3Fa%3D1%26b",
            "https://evil.example/?a=1&b",
        ),
        ("https://evil.example/", None),
        ("not a link", None),
    ],
)
async def test_wherever_a_next_link_leads_only_the_configured_origin_is_asked(
    link: str, cursor: str | None
) -> None:
    upstream = Upstream(page(link))
    client = upstream.client()
    found = await client.all_vals()
    assert (found.has_more, found.next_query.get("cursor")) == (True, cursor)
    await client.all_vals(cursor=cursor)
    assert {request.url.host for request in upstream.requests} == {"api.example.test"}
    assert {request.url.path for request in upstream.requests} == {"/v2/vals"}
    assert dict(upstream.requests[1].url.params) == {"limit": "100", **({"cursor": cursor} if cursor else {})}


async def test_lists_in_a_query_repeat_the_name() -> None:
    upstream = Upstream('{"data": [], "links": {"self": "s"}}')
    window = Window(branch_ids=("b1", "b2"), limit=5)
    assert (await upstream.client().logs(window, trace_ids=["t"])).next_query == {}
    query = upstream.requests[0].url.query
    assert query == b"branch_ids=b1&branch_ids=b2&direction=desc&limit=5&trace_ids=t"


@requirement("I186")
async def test_a_blob_travels_as_the_bytes_it_is() -> None:
    upstream = Upstream('"ok"', 201)
    content = bytes(range(256))
    await upstream.client().store_blob("a/b ä%2F", content)
    (request,) = upstream.requests
    assert request.content == content
    assert request.headers["content-type"] == "application/octet-stream"
    assert request.url.raw_path == b"/v1/blob/a%2Fb%20%C3%A4%252F"


async def test_parameters_of_a_statement_travel_beside_it() -> None:
    upstream = Upstream('[{"columns": [], "columnTypes": [], "rows": [], "rowsAffected": 0}]')
    await upstream.client().batch([Statement("SELECT ?", ["'; --"]), Statement("SELECT 1")], "read")
    assert (
        upstream.requests[0].content
        == b'{"statements":[{"sql":"SELECT ?","args":["\'; --"]},"SELECT 1"],"mode":"read"}'
    )


async def test_a_short_wait_that_val_town_asks_for_is_kept_once_for_reads_only() -> None:
    upstream = Upstream("{}", 429, retry_after="1")
    with pytest.raises(RateLimited):
        await upstream.client().me()
    assert (len(upstream.requests), upstream.pauses) == (2, [1.0])
    with pytest.raises(RateLimited):
        await upstream.client().delete_blob("a")
    assert len(upstream.requests) == 3


async def test_a_user_beyond_its_share_waits_and_others_do_not() -> None:
    upstream = Upstream('{"data": [], "links": {"self": "s"}}')
    upstream.gate.clear()
    shares = FairShares(at_once=2, waiting=10)
    async with anyio.create_task_group() as calls:
        for _ in range(6):
            calls.start_soon(upstream.client(shares).my_vals)
        calls.start_soon(upstream.client(shares, "grace").my_vals)
        await anyio.wait_all_tasks_blocked()
        assert len(upstream.requests) == 3
        upstream.gate.set()
    assert len(upstream.requests) == 7


async def test_too_many_waiting_calls_are_refused_at_once_and_the_share_recovers() -> None:
    upstream = Upstream('{"data": [], "links": {"self": "s"}}')
    upstream.gate.clear()
    shares = FairShares(at_once=1, waiting=1)
    async with anyio.create_task_group() as calls:
        for _ in range(2):
            calls.start_soon(upstream.client(shares).my_vals)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RateLimited) as caught:
            await upstream.client(shares).my_vals()
        assert caught.value.retry_after == 1.0
        upstream.gate.set()
    await upstream.client(shares).my_vals()


async def test_waiting_for_a_turn_counts_towards_the_deadline() -> None:
    upstream = Upstream('{"data": [], "links": {"self": "s"}}')
    upstream.gate.clear()
    shares = FairShares(at_once=1)
    async with anyio.create_task_group() as calls:
        calls.start_soon(upstream.client(shares).my_vals)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(Unavailable):
            await upstream.client(shares, bounds=Bounds(total_seconds=0.02)).my_vals()
        upstream.gate.set()
    assert len(upstream.requests) == 1
