"""More requests than a process can serve in good time: refused at once, and what is under way goes on."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from shared.retry_after import jittered
from shared.web.draining import Draining
from shared.web.overload import CROWDED, RESERVE, Overload, OverloadPolicy
from shared.web.serve import configuration, listen
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

FEW = 2
MOST = 3


class Rooms:
    """An app whose requests stay until they are let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.inside = 0
        routes = [Route("/stream", self.stream), Route("/fails", self.fail)]
        app = FastAPI(routes=[*routes, Route("/{path:path}", self.stay, methods=["GET", "POST"])])
        self.now = 0.0
        self.saturated = False
        policy = OverloadPolicy(
            refused,
            frozenset({"/revoke"}),
            saturated=lambda: self.saturated,
            wait_seconds=1,
            few=FEW,
            most=MOST,
        )
        self.app = Overload(app, policy, now=lambda: self.now)

    async def stay(self, request: Request) -> Response:
        if request.url.path == "/healthz":
            return PlainTextResponse("ok")
        self.inside += 1
        await self.go.wait()
        return PlainTextResponse("done")

    async def stream(self, _request: Request) -> Response:
        async def events() -> AsyncIterator[str]:
            yield "event"
            self.inside += 1
            await self.go.wait()

        return StreamingResponse(events(), media_type="text/event-stream")

    async def fail(self, _request: Request) -> Response:
        raise ValueError

    def client(self, *, waited: float = 0.0, **more: object) -> httpx.AsyncClient:
        """Return a client whose requests wait so many seconds for their turn."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope = {**scope, **more}
            self.app.arrived(scope)
            self.now += waited
            await self.app(scope, receive, send)

        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://test"
        )


def refused(_path: str) -> Response:
    return JSONResponse({"error": "busy"}, 503)


async def full(
    rooms: Rooms, http: httpx.AsyncClient, path: str, count: int
) -> list[asyncio.Task[httpx.Response]]:
    """Fill places, and return who has them."""
    before = rooms.inside
    tasks = [asyncio.create_task(http.get(path)) for _ in range(count)]

    async def inside() -> bool:
        return rooms.inside == before + count

    await until(inside)
    return tasks


async def test_beyond_the_limit_the_answer_is_503_at_once_and_the_others_are_served() -> None:
    rooms = Rooms()
    async with rooms.client() as http:
        staying = await full(rooms, http, "/room", MOST)
        over = await http.get("/room")
        assert (over.status_code, over.json()) == (503, {"error": "busy"})
        assert 1 <= int(over.headers["retry-after"]) <= 3
        rooms.go.set()
        assert {(await one).status_code for one in staying} == {200}
        assert (await http.get("/room")).status_code == 200


async def test_a_request_that_fails_or_goes_away_gives_its_place_back() -> None:
    rooms = Rooms()
    async with rooms.client() as http:
        for _ in range(2 * MOST):
            assert (await http.get("/fails")).status_code == 500
        for one in await full(rooms, http, "/room", MOST):
            one.cancel()
            await asyncio.gather(one, return_exceptions=True)
        rooms.go.set()
        assert (await http.get("/room")).status_code == 200


async def test_health_is_answered_whatever_goes_on() -> None:
    rooms = Rooms()
    async with rooms.client() as http:
        staying = await full(rooms, http, "/room", MOST)
        assert (await http.get("/healthz")).status_code == 200
        rooms.go.set()
        await asyncio.gather(*staying)


async def test_what_takes_access_away_has_places_of_its_own_and_they_are_bounded_too() -> None:
    rooms = Rooms()
    async with rooms.client() as http:
        staying = await full(rooms, http, "/room", MOST)
        staying += await full(rooms, http, "/revoke", RESERVE)
        assert (await http.get("/revoke")).status_code == 503
        rooms.go.set()
        assert {(await one).status_code for one in staying} == {200}


async def test_an_open_event_stream_takes_no_place() -> None:
    rooms = Rooms()
    async with rooms.client() as http:
        streams = [one for _ in range(2 * MOST) for one in await full(rooms, http, "/stream", 1)]
        staying = await full(rooms, http, "/room", MOST)
        assert (await http.get("/room")).status_code == 503
        rooms.go.set()
        assert {(await one).status_code for one in [*streams, *staying]} == {200}
        # Places were given back once each, not twice.
        rooms.go.clear()
        staying = await full(rooms, http, "/room", MOST)
        assert (await http.get("/room")).status_code == 503
        rooms.go.set()
        await asyncio.gather(*staying)


async def test_a_connection_too_many_is_refused_unless_it_takes_access_away() -> None:
    rooms = Rooms()
    rooms.go.set()
    async with rooms.client(**{CROWDED: True}) as http:
        assert (await http.get("/room")).status_code == 503
        assert (await http.get("/revoke")).status_code == 200
        assert (await http.get("/healthz")).status_code == 200


async def test_who_waited_too_long_for_a_turn_is_refused_when_many_are_under_way() -> None:
    rooms = Rooms()
    async with rooms.client() as http, rooms.client(waited=1.1) as late, rooms.client(waited=0.9) as soon:
        # One stall is no overload.
        staying = await full(rooms, late, "/room", FEW)
        assert (await late.get("/room")).status_code == 503
        assert (await late.get("/healthz")).status_code == 200
        staying += await full(rooms, soon, "/room", 1)
        staying += await full(rooms, late, "/revoke", 1)
        rooms.go.set()
        assert {(await one).status_code for one in staying} == {200}
        assert (await late.get("/room")).status_code == 200
        assert (await http.get("/room")).status_code == 200


async def test_those_that_wait_for_their_turn_are_under_way_too() -> None:
    rooms = Rooms()
    rooms.go.set()
    async with rooms.client(waited=1.1) as late:
        for _ in range(FEW):
            rooms.app.arrived({})
        assert (await late.get("/room")).status_code == 503


async def test_when_more_is_of_no_use_only_few_are_taken() -> None:
    rooms = Rooms()
    rooms.saturated = True
    async with rooms.client() as http:
        staying = await full(rooms, http, "/room", FEW)
        assert (await http.get("/room")).status_code == 503
        rooms.saturated = False
        staying += await full(rooms, http, "/room", 1)
        rooms.go.set()
        assert {(await one).status_code for one in staying} == {200}


async def test_the_more_are_refused_the_longer_they_are_told_to_wait() -> None:
    rooms = Rooms()
    waits: set[int] = set()
    async with rooms.client(**{CROWDED: True}) as http:
        for _ in range(300):
            waits.add(int((await http.get("/room")).headers["retry-after"]))
        assert waits <= set(range(1, 7))
        for _ in range(1000):
            waits.add(int((await http.get("/room")).headers["retry-after"]))
        assert waits == set(range(1, 11))
        rooms.now += 2
        calm = {int((await http.get("/room")).headers["retry-after"]) for _ in range(90)}
        assert calm == {1, 2, 3}


def test_clients_that_were_refused_together_do_not_come_back_together() -> None:
    assert {jittered() for _ in range(200)} == {1, 2, 3}


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
def test_a_new_connection_does_not_wait_for_one_turn_of_the_loop_for_each_before_it() -> None:
    # uvloop accepts one each time around, and under load once around takes as long as all requests take.
    import uvloop

    assert uvloop.run(turns_to_accept(200)) < 50


async def turns_to_accept(count: int) -> int:
    """Return how often the loop goes around until so many connections that are there are accepted."""
    listener = listen("127.0.0.1", 0, setting="none")
    app = Overload(PlainTextResponse("ok"), OverloadPolicy(refused))
    config = configuration(app, listener)
    config.lifespan = "off"
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))

    async def started() -> bool:
        return server.started

    await until(started)
    turns = 0
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        while len(server.server_state.connections) < count and turns < 10 * count:
            await asyncio.sleep(0)
            turns += 1
    server.should_exit = True
    await serving
    return turns


async def test_a_request_that_a_process_cannot_finish_is_503() -> None:
    rooms = Rooms()
    draining = Draining(rooms.app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(draining), base_url="http://test") as http:
        staying = await full(rooms, http, "/room", 2)
        draining.begin()
        assert (await http.get("/readyz")).json() == {"status": "draining"}
        draining.cut_off()
        for one in staying:
            answer = await one
            assert answer.status_code == 503
            assert answer.json()["error"] == "temporarily_unavailable"
            assert answer.headers["retry-after"]
