"""SIGTERM: not ready at once, serving until load balancers have noticed, nothing under way is lost."""

import asyncio
import itertools
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from dev.deployment import AUTH, MCP, Deployment, Service, deploy, environment
from dev.flow import Browser, OAuthClient
from dev.mcp_messages import call, modern
from dev.processes import Child, free_port, start, stop
from tests.e2e.test_processes import status_of, until_answered
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]

DRAIN_SECONDS = 1
PEOPLE = 4
LEGACY = {"X-Val-Town-Token": "vtwn_sandbox_ada"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def deployment(
    database: Callable[[int], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Return one of each, which the replicas of these tests join."""
    settings = {"DRAIN_SECONDS": str(DRAIN_SECONDS)}
    with deploy(database(13), tmp_path_factory.mktemp("drained"), **settings) as running:
        yield running


@dataclass
class Replica:
    """One process of a service on a port of its own."""

    service: Service
    folder: Path
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    child: Child = field(init=False)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, in the main thread: the kernel ends it with the thread that does."""
        settings = {**self.settings, self.service.port_setting: str(self.port)}
        log = self.folder / f"{self.service.name}-{self.port}.log"
        command = [sys.executable, "-m", self.service.module]
        self.child = start(self.service.name, command, log, environment(settings), self.folder)

    def until_ready(self) -> None:
        """Return when it is ready."""
        until_answered(self.child, f"{self.url}/readyz", 200)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.child.process.send_signal(number)

    async def ended(self, seconds: float = 10.0) -> int:
        """Return its exit status once it ended."""

        async def has_ended() -> bool:
            return self.child.has_ended()

        await until(has_ended, seconds=seconds)
        return int(self.child.process.returncode)


Replicate = Callable[..., Replica]


@pytest.fixture
def replica(deployment: Deployment, tmp_path: Path) -> Iterator[Replicate]:
    """Return a way to start a further replica, with settings of its own."""
    with ExitStack() as stack:

        def started(service: Service, **settings: str) -> Replica:
            one = Replica(service, tmp_path, {**deployment.settings, **settings})
            one.start()
            stack.callback(lambda: stop([one.child]))
            one.until_ready()
            return one

        yield started


@dataclass
class SlowValTown:
    """The sandbox behind a proxy that keeps every request until it is told to pass them on."""

    url: str = ""
    sandbox: str = ""
    asked: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def slow_val_town(sandbox: str) -> Iterator[SlowValTown]:
    slow = SlowValTown(sandbox=sandbox)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            slow.asked.set()
            slow.go_on.wait(20)
            headers = {"Authorization": self.headers["Authorization"]}
            answer = httpx.get(slow.sandbox + self.path, headers=headers)
            self.send_response_only(answer.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    slow.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield slow
    finally:
        slow.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def slow(deployment: Deployment) -> Iterator[SlowValTown]:
    """Return a Val Town that answers when it is told to."""
    with slow_val_town(deployment.settings["VAL_TOWN_API_URL"]) as proxy:
        yield proxy


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


async def get_me(http: httpx.AsyncClient, url: str) -> httpx.Response:
    request = call("get_me")
    return await http.post(f"{url}/mcp", json=request.body, headers={**request.headers, **LEGACY})


async def begun(slow: SlowValTown, calling: "asyncio.Task[httpx.Response]") -> None:
    async def asked() -> bool:
        assert not calling.done(), calling.result().text
        return slow.asked.is_set()

    await until(asked)


@pytest.mark.parametrize("service", [AUTH, MCP], ids=lambda service: service.name)
async def test_sigterm_makes_it_not_ready_at_once_and_it_serves_on_until_others_have_noticed(
    service: Service, replica: Replicate, http: httpx.AsyncClient
) -> None:
    one = replica(service, DRAIN_SECONDS="2")
    assert "connection" not in (await http.get(f"{one.url}/healthz")).headers
    one.signal(signal.SIGTERM)

    async def not_ready() -> bool:
        return status_of(f"{one.url}/readyz") == 503

    await until(not_ready, seconds=1.0)
    ready = await http.get(f"{one.url}/readyz")
    assert ready.json() == {"status": "draining"}
    assert ready.headers["retry-after"]
    # Alive, and a proxy opens its next connection elsewhere.
    alive = await http.get(f"{one.url}/healthz")
    assert (alive.status_code, alive.headers["connection"]) == (200, "close")
    assert await one.ended(4) == 0
    assert "Traceback" not in one.child.log.read_text(encoding="utf-8")


async def test_ctrl_c_does_not_wait_for_load_balancers(replica: Replicate) -> None:
    one = replica(MCP, DRAIN_SECONDS="60")
    one.signal(signal.SIGINT)
    assert await one.ended(5) == 0


async def test_a_call_under_way_is_finished_after_the_last_request_was_taken(
    replica: Replicate, slow: SlowValTown, http: httpx.AsyncClient
) -> None:
    one = replica(MCP, DRAIN_SECONDS="0", VAL_TOWN_API_URL=slow.url)
    calling = asyncio.create_task(get_me(http, one.url))
    await begun(slow, calling)
    one.signal(signal.SIGTERM)

    async def takes_no_more() -> bool:
        return status_of(f"{one.url}/healthz") is None

    await until(takes_no_more)
    assert not one.child.has_ended()
    slow.go_on.set()
    answer = await calling
    assert answer.status_code == 200
    assert "ada" in answer.text
    assert await one.ended() == 0


async def test_a_second_signal_ends_it_at_once(
    replica: Replicate, slow: SlowValTown, http: httpx.AsyncClient
) -> None:
    one = replica(MCP, DRAIN_SECONDS="60", VAL_TOWN_API_URL=slow.url)
    calling = asyncio.create_task(get_me(http, one.url))
    await begun(slow, calling)
    one.signal(signal.SIGTERM)

    async def draining() -> bool:
        return status_of(f"{one.url}/readyz") == 503

    await until(draining)
    one.signal(signal.SIGTERM)
    assert await one.ended(2) == 128 + signal.SIGTERM
    with pytest.raises(httpx.TransportError):
        await calling


class Balancer:
    """Looks at `/readyz` of each replica ten times a second, and takes turns among those that are ready."""

    def __init__(self, replicas: list[Replica]) -> None:
        self.replicas = replicas
        self.ready = [one.url for one in replicas]
        self._turns = itertools.count()

    def next(self) -> str:
        """Return where the next request goes."""
        return self.ready[next(self._turns) % len(self.ready)]

    async def look(self) -> None:
        """Look until cancelled."""
        async with httpx.AsyncClient(timeout=2) as http:
            while True:
                answers = await asyncio.gather(
                    *(http.get(f"{one.url}/readyz") for one in self.replicas), return_exceptions=True
                )
                self.ready = [
                    one.url
                    for one, answer in zip(self.replicas, answers, strict=True)
                    if isinstance(answer, httpx.Response) and answer.status_code == 200
                ]
                await asyncio.sleep(0.1)

    async def until_ready(self, count: int) -> None:
        """Return once so many are known to be ready."""

        async def enough() -> bool:
            return len(self.ready) == count

        await until(enough)


@dataclass
class Load:
    """People who refresh and call through both balancers, and how each request ended."""

    deployment: Deployment
    auth: Balancer
    mcp: Balancer
    ended: list[tuple[str, str]] = field(default_factory=list)
    over: bool = False

    async def person(self) -> None:
        """Refresh, then call, over and over."""
        async with httpx.AsyncClient(timeout=10) as http:
            client = OAuthClient(http, self.deployment.issuer)
            await client.register(token_endpoint_auth_method="none")
            tokens = await client.tokens(Browser(http, "vtwn_sandbox_ada"), scope="user:read vals:read")
            form = {"grant_type": "refresh_token", "client_id": client.client_id}
            while not self.over:
                sent = {**form, "refresh_token": tokens["refresh_token"]}
                answer = await self._ask("refresh", http.post(f"{self.auth.next()}/oauth/token", data=sent))
                tokens = tokens if answer is None else answer.json()
                for request in (modern("tools/list"), call("get_me"), modern("tools/list")):
                    sending = request.send(http, f"{self.mcp.next()}/mcp", tokens["access_token"])
                    await self._ask(str(request.body["method"]), sending)
                    await asyncio.sleep(0.01)

    async def _ask(self, what: str, sending: Any) -> httpx.Response | None:
        try:
            answer: httpx.Response = await sending
        except httpx.TransportError as error:
            self.ended.append((what, type(error).__name__))
            return None
        self.ended.append((what, str(answer.status_code)))
        return answer if answer.status_code == 200 else None


async def test_a_rolling_restart_of_every_replica_fails_no_request(
    deployment: Deployment, replica: Replicate
) -> None:
    auth = Balancer([replica(AUTH), replica(AUTH)])
    mcp = Balancer([replica(MCP), replica(MCP)])
    load = Load(deployment, auth, mcp)
    looking = [asyncio.create_task(balancer.look()) for balancer in (auth, mcp)]
    people = [asyncio.create_task(load.person()) for _ in range(PEOPLE)]
    try:
        for balancer in (auth, mcp):
            for one in balancer.replicas:
                await roll(balancer, one, load)
    finally:
        load.over = True
        await asyncio.gather(*people)
        for task in looking:
            task.cancel()
    assert [one for one in load.ended if one[1] != "200"] == []
    assert {what for what, _ in load.ended} == {"refresh", "tools/list", "tools/call"}


async def roll(balancer: Balancer, one: Replica, load: Load) -> None:
    """Restart one replica while the others serve, and see that they do."""
    before = len(load.ended)
    one.signal(signal.SIGTERM)
    assert await one.ended() == 0
    one.start()
    await asyncio.to_thread(one.until_ready)
    await balancer.until_ready(len(balancer.replicas))
    assert len(load.ended) > before + 20, "hardly any load"
