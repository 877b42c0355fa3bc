"""People whose clients go on while things break, and the ledger of what they were promised."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from dev.chaos.world import Process, World, is_ready
from dev.environment import SANDBOX_TOKENS
from dev.flow import Browser, OAuthClient
from dev.mcp_messages import McpRequest, call, modern

PATIENCE_SECONDS: Final = 3.0
"""How long a client waits for an answer."""

HEALTH_SECONDS: Final = 0.2
"""How often an edge that does so asks whether a replica is ready."""

_NO_ANSWER: Final = "no answer"
_TOOL_ERROR: Final = "tool error"
"""A 200 whose result says that the tool could not do its work: for the model to read, no success."""

_CALLS: Final = (("list", modern("tools/list")), ("call", call("get_me")))

_CLIENTS_MAY_MEET: Final = frozenset({"200", "503", _NO_ANSWER, _TOOL_ERROR})


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer: when it came, what was asked of which replica, and how long it took in seconds."""

    at: float
    kind: str
    replica: str
    status: str
    seconds: float


@dataclass(slots=True)
class Ledger:
    """Everything that was seen, and what must still hold at the end."""

    seen: list[Seen] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    revoked: dict[str, float] = field(default_factory=dict)
    """Access tokens whose revocation was acknowledged, and when."""

    def note(self, kind: str, replica: str, began: float, status: str, error: str = "") -> None:
        """Note an answer to a request that was right in every way."""
        now = time.monotonic()
        self.seen.append(Seen(now, kind, replica, status, now - began))
        if status not in _CLIENTS_MAY_MEET:
            self.wrong.append(f"{kind} at {replica}: {status} {error}".rstrip())


@dataclass(slots=True)
class _Person:
    client: OAuthClient
    tokens: Mapping[str, Any]


class People:
    """Clients that call tools and refresh, across all replicas, as an edge in front would send them."""

    def __init__(
        self,
        world: World,
        ledger: Ledger,
        http: httpx.AsyncClient,
        *,
        refresh_seconds: float = 0.25,
        calls_per_second: float | None = None,
        checks_health: bool = False,
    ) -> None:
        """Take what they need.

        Args:
            world: where they live.
            ledger: what they write to.
            http: what they send with.
            refresh_seconds: how often each refreshes.
            calls_per_second: of all of them together, as long as one is there who waits for no answer; None:
                each calls again a moment after the last answer.
            checks_health: the edge asks for /readyz and passes over who is not ready, as Kubernetes does; an
                edge that does not notices a replica only by its refusing connections.
        """
        self._refresh_seconds = refresh_seconds
        self._calls_per_second = calls_per_second
        self._checks_health = checks_health
        self._unready: set[str] = set()
        self._world = world
        self._ledger = ledger
        self._http = http
        self._persons: list[_Person] = []
        self._to_revoke: list[_Person] = []
        self._turns: dict[str, itertools.count[int]] = {"auth": itertools.count(), "mcp": itertools.count()}
        self._tasks: list[asyncio.Task[None]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def some_token(self) -> str:
        """An access token that is good now."""
        return str(self._persons[0].tokens["access_token"])

    async def settle(self, persons: int, to_revoke: int) -> None:
        """Sign everybody in."""
        client = OAuthClient(self._http, self._world.issuer)
        await client.register(token_endpoint_auth_method="none")
        for number in range(persons + to_revoke):
            async with httpx.AsyncClient(timeout=10) as visitor:
                # Of more than one account: each has a share of its own of a replica's calls to Val Town.
                own = SANDBOX_TOKENS[number % len(SANDBOX_TOKENS)]
                tokens = await client.tokens(Browser(visitor, own))
            (self._persons if number < persons else self._to_revoke).append(_Person(client, tokens))

    def go(self) -> None:
        """Let everybody begin."""
        for person in self._persons:
            if self._calls_per_second is None:
                self._start(self._call_tools, person)
            self._start(self._refresh, person)
        if self._calls_per_second is not None:
            self._tasks.append(asyncio.create_task(self._call_steadily(1 / self._calls_per_second)))
        self._tasks.append(asyncio.create_task(self._revoke_some()))
        if self._checks_health:
            replicas = (*self._world.auth, *self._world.mcp)
            self._tasks += [asyncio.create_task(self._check_health(replica)) for replica in replicas]

    async def stop(self) -> None:
        """Let everybody finish what they are at."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._under_way, return_exceptions=True)
        self._tasks.clear()

    async def check_what_was_promised(self) -> list[str]:
        """Return what was lost: sessions that ended, and revocations that came undone."""
        lost = []
        for number, person in enumerate(self._persons):
            status, body = await self._patiently(lambda person=person: self._ask_for_tokens(person))  # type: ignore[misc]
            if status != "200":
                lost.append(f"session {number}: its refresh token got {status} {body.get('error', '')}")
            else:
                person.tokens = body
        for token in self._ledger.revoked:
            for replica in self._world.mcp:
                status = await self._until_decided(token, replica)
                if status != "401":
                    lost.append(f"a revoked token got {status} at {replica.name}")
        return lost

    def _start(self, what: Callable[[_Person], Awaitable[None]], person: _Person) -> None:
        async def again_and_again() -> None:
            while True:
                await what(person)

        self._tasks.append(asyncio.create_task(again_and_again()))

    async def _check_health(self, replica: Process) -> None:
        while True:
            if await is_ready(self._http, replica):
                self._unready.discard(replica.name)
            else:
                self._unready.add(replica.name)
            await asyncio.sleep(HEALTH_SECONDS)

    async def _call_tools(self, person: _Person) -> None:
        for kind, request in _CALLS:
            await self._mcp(kind, request, str(person.tokens["access_token"]))
            await asyncio.sleep(0.05)

    async def _call_steadily(self, pause: float) -> None:
        """Begin a call each `pause` seconds, by the clock, of whoever waits for no other answer."""
        loop = asyncio.get_running_loop()
        idle: asyncio.Queue[_Person] = asyncio.Queue()
        for person in self._persons:
            idle.put_nowait(person)

        async def ask(person: _Person, kind: str, request: McpRequest) -> None:
            await self._mcp(kind, request, str(person.tokens["access_token"]))
            idle.put_nowait(person)

        following = loop.time()
        for kind, request in itertools.cycle(_CALLS):
            task = asyncio.create_task(ask(await idle.get(), kind, request))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            # Nothing that was late is made up for: that would be a burst which nobody sends.
            following = max(following + pause, loop.time())
            await asyncio.sleep(following - loop.time())

    async def _refresh(self, person: _Person) -> None:
        status, body = await self._ask_for_tokens(person, note=True)
        if status == "200":
            person.tokens = body
        # A client that got no answer comes back with the same token, and soon.
        await asyncio.sleep(self._refresh_seconds if status == "200" else min(1.0, self._refresh_seconds))

    async def _revoke_some(self) -> None:
        while self._to_revoke:
            await asyncio.sleep(0.5)
            person = self._to_revoke[-1]
            form = {"token": str(person.tokens["refresh_token"]), "client_id": person.client.client_id}
            status, _ = await self._post("revoke", "/oauth/revoke", form, note=True)
            if status == "200":
                self._to_revoke.pop()
                self._ledger.revoked[str(person.tokens["access_token"])] = time.monotonic()

    async def _ask_for_tokens(self, person: _Person, *, note: bool = False) -> tuple[str, Mapping[str, Any]]:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": str(person.tokens["refresh_token"]),
            "client_id": person.client.client_id,
        }
        return await self._post("refresh", "/oauth/token", form, note=note)

    async def _post(
        self, kind: str, path: str, form: Mapping[str, str], *, note: bool
    ) -> tuple[str, Mapping[str, Any]]:
        began = time.monotonic()
        replica, response = await self._send(
            "auth", lambda each: self._http.post(f"{each.url}{path}", data=dict(form))
        )
        status = _NO_ANSWER if response is None else str(response.status_code)
        body = response.json() if response is not None and response.content else {}
        if note:
            self._ledger.note(kind, replica, began, status, str(body.get("error", "")))
        return status, body

    async def _mcp(self, kind: str, request: McpRequest, token: str) -> None:
        began = time.monotonic()
        replica, response = await self._send(
            "mcp", lambda each: request.send(self._http, f"{each.url}/mcp", token)
        )
        status = _NO_ANSWER if response is None else _status_of(response)
        challenge = "" if response is None else response.headers.get("www-authenticate", "")
        self._ledger.note(kind, replica, began, status, challenge)

    async def _send(
        self, tier: str, ask: Callable[[Process], Awaitable[httpx.Response]]
    ) -> tuple[str, httpx.Response | None]:
        """Ask the next replica; one that does not even accept the connection is passed over."""
        replicas = self._world.auth if tier == "auth" else self._world.mcp
        if len(healthy := [replica for replica in replicas if replica.name not in self._unready]) > 0:
            replicas = healthy
        first = next(self._turns[tier])
        for number in range(len(replicas)):
            replica = replicas[(first + number) % len(replicas)]
            try:
                return replica.name, await ask(replica)
            except httpx.ConnectError:
                continue
            except httpx.TransportError:
                return replica.name, None
        return "no replica", None

    async def _patiently(
        self, ask: Callable[[], Awaitable[tuple[str, Mapping[str, Any]]]]
    ) -> tuple[str, Mapping[str, Any]]:
        deadline = time.monotonic() + 20
        while True:
            status, body = await ask()
            if status not in ("503", _NO_ANSWER) or time.monotonic() > deadline:
                return status, body
            await asyncio.sleep(0.1)

    async def _until_decided(self, token: str, replica: Process) -> str:
        async def ask() -> tuple[str, Mapping[str, Any]]:
            try:
                response = await modern("tools/list").send(self._http, f"{replica.url}/mcp", token)
            except httpx.TransportError:
                return _NO_ANSWER, {}
            return str(response.status_code), {}

        status, _ = await self._patiently(ask)
        return status


def _status_of(response: httpx.Response) -> str:
    """Return the status of an answer of `/mcp`, or that the tool failed."""
    if response.status_code == httpx.codes.OK and response.json()["result"].get("isError"):
        return _TOOL_ERROR
    return str(response.status_code)


@dataclass(frozen=True, slots=True)
class Story:
    """What clients saw of one fault.

    Attributes:
        answers: by kind and status.
        gaps: by kind, the longest time in seconds in which nothing of that kind succeeded.
        recovered: seconds from the repair until the last answer that was no success, 0 when there was none.
        wrong: answers that no valid credential may ever get.
        slowest: seconds of the slowest answer.
    """

    answers: Mapping[tuple[str, str], int]
    gaps: Mapping[str, float]
    recovered: float
    wrong: tuple[str, ...]
    slowest: float

    def share(self, kind: str) -> float:
        """Return which share of a kind succeeded, 1 when nothing was asked."""
        total = sum(count for (each, _), count in self.answers.items() if each == kind)
        return self.answers.get((kind, "200"), 0) / total if total else 1.0


def tell(ledger: Ledger, began: float, repaired: float, ended: float) -> Story:
    """Return what was seen between two moments."""
    seen = [each for each in ledger.seen if began <= each.at <= ended]
    failures = [each.at for each in seen if each.status != "200"]
    return Story(
        answers=Counter((each.kind, each.status) for each in seen),
        gaps={kind: _longest_gap(seen, kind, began, ended) for kind in {each.kind for each in seen}},
        recovered=max(0.0, max(failures, default=0.0) - repaired),
        wrong=tuple(ledger.wrong),
        slowest=max((each.seconds for each in seen), default=0.0),
    )


def _longest_gap(seen: list[Seen], kind: str, began: float, ended: float) -> float:
    moments = [began, *(each.at for each in seen if (each.kind, each.status) == (kind, "200")), ended]
    return max(later - earlier for earlier, later in itertools.pairwise(moments))
