"""`make overload`: more than a replica can serve, and thousands of clients that all come back at once.

The token endpoint is asked for twice what it can do: requests leave when they are due, whatever became of
those before, and their time counts from then. The MCP endpoint serves more than a program in Python can ask
for, so wrk floods it, and the times are those of a few requests beside.
"""

import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlencode, urlsplit

import httpx
import typer

from dev.bench import servers
from dev.bench.load import LOAD_CORE, flood
from dev.deployment import Deployment
from dev.flow import Browser, OAuthClient
from dev.mcp_messages import modern

SANDBOX_TOKEN: Final = "vtwn_sandbox_ada"
LANES: Final = 1_000
"""Connections of the open load at most; who finds none free counts as refused."""

CHAINS: Final = 200
"""People who refresh under the open load."""

FLOODING: Final = 600
"""Connections of the flood, each with its next request as soon as it is answered."""

PROBES_PER_SECOND: Final = 50.0

CLOSED: Final = 16
"""Connections that measure the capacity."""

PATIENCE: Final = 60.0
"""Seconds until the last client of a herd gives up."""

FORM: Final = "application/x-www-form-urlencoded"

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Lane:
    """One connection that sends a POST and reads its answer; it connects again when it was closed."""

    def __init__(self, url: str, content_type: str, **headers: str) -> None:
        """Take the URL of the endpoint and the headers of each request."""
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        lines = {"Host": parts.netloc, "Content-Type": content_type, **headers}
        fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._head = f"POST {parts.path} HTTP/1.1\r\n{fields}Content-Length: "
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, body: str) -> tuple[int, str, bytes]:
        """Return status, head and body of the answer.

        Raises:
            OSError: the connection was refused or closed without an answer.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        try:
            writer.write(f"{self._head}{len(body)}\r\n\r\n{body}".encode("ascii"))
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0])
            content = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):
            self.close()
            raise OSError("no answer") from None
        if "connection: close" in head:
            self.close()
        return int(head.split(" ", 2)[1]), head, content

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


@dataclass(slots=True)
class Chain:
    """One client's next request: the same each time, or with the newest refresh token."""

    body: str = ""
    form: dict[str, str] = field(default_factory=dict)

    def next(self) -> str:
        """Return the body to send."""
        return urlencode(self.form) if self.form else self.body

    def learn(self, content: bytes) -> None:
        """Take a good answer."""
        if self.form:
            self.form["refresh_token"] = json.loads(content)["refresh_token"]


@dataclass(slots=True)
class Outcome:
    """What became of a load: statuses, seconds of those answered 200, and how long it went on."""

    statuses: Counter[str] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def percentile(self, share: int, of: Sequence[float] | None = None) -> float:
        """Return a percentile in milliseconds."""
        times = self.accepted if of is None else of
        return statistics.quantiles(times, n=100)[share - 1] * 1000 if len(times) > 1 else float("nan")

    async def ask(self, lane: Lane, chain: Chain, due: float) -> None:
        """Send one request and note how it ended."""
        try:
            status, head, content = await lane.ask(chain.next())
        except OSError:
            self.statuses["no answer"] += 1
            return
        taken = time.perf_counter() - due
        self.statuses[str(status) if status != 503 or "retry-after:" in head else "503 bare"] += 1
        if status == 200:
            self.accepted.append(taken)
            chain.learn(content)
        else:
            self.refused.append(taken)


@dataclass(frozen=True, slots=True)
class Work:
    """What is asked: where, how, and by whom."""

    name: str
    url: str
    content_type: str
    headers: Mapping[str, str]
    chains: Sequence[Chain]

    def lane(self) -> Lane:
        """Return a new connection."""
        return Lane(self.url, self.content_type, **self.headers)


async def closed_load(work: Work, seconds: float) -> Outcome:
    """Ask on few connections, each as soon as it has its answer: what the server can do."""
    outcome = Outcome()
    until = time.perf_counter() + seconds

    async def one(chain: Chain) -> None:
        lane = work.lane()
        while time.perf_counter() < until:
            await outcome.ask(lane, chain, time.perf_counter())
        lane.close()

    await asyncio.gather(*(one(chain) for chain in work.chains[:CLOSED]))
    outcome.seconds = seconds
    return outcome


async def open_load(work: Work, rate: float, seconds: float) -> Outcome:
    """Ask at a steady rate, whatever the answers."""
    outcome = Outcome()
    lanes, chains = [work.lane() for _ in range(LANES)], list(work.chains)
    every = list(lanes)
    tasks: set[asyncio.Task[None]] = set()

    async def one(lane: Lane, chain: Chain, due: float) -> None:
        await outcome.ask(lane, chain, due)
        lanes.append(lane)
        chains.append(chain)

    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if due > time.perf_counter():
            await asyncio.sleep(due - time.perf_counter())
        elif number % 32 == 0:
            await asyncio.sleep(0)
        if not lanes or not chains:
            outcome.statuses["not sent"] += 1
            continue
        task = asyncio.create_task(one(lanes.pop(), chains.pop(random.randrange(len(chains))), due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    outcome.seconds = time.perf_counter() - began
    if tasks:
        await asyncio.wait(tasks, timeout=10)
    for lane in every:
        lane.close()
    return outcome


async def herd(work: Work) -> Outcome:
    """Let every client ask at the same moment, and again as late as it is told until it has an answer."""
    outcome = Outcome()
    began = time.perf_counter()

    async def one(chain: Chain) -> None:
        lane = work.lane()
        while time.perf_counter() - began < PATIENCE:
            try:
                status, head, _ = await lane.ask(chain.next())
            except OSError:
                status, head = 0, ""
            outcome.statuses[str(status or "no answer")] += 1
            if status == 200:
                outcome.accepted.append(time.perf_counter() - began)
                break
            told = head.partition("retry-after:")[2].split("\r\n")[0].strip()
            # Whoever is told a second comes back within the second after it.
            await asyncio.sleep(float(told or 1) + random.random())
        lane.close()

    await asyncio.gather(*(one(chain) for chain in work.chains))
    outcome.seconds = time.perf_counter() - began
    return outcome


async def refreshing(issuer: str, people: int) -> Work:
    """Return the work of so many people who each have a refresh token."""
    async with httpx.AsyncClient(timeout=30) as http:
        client = OAuthClient(http, issuer)
        await client.register(token_endpoint_auth_method="none")
        chains = []
        browser = Browser(http, SANDBOX_TOKEN)
        for _ in range(people):
            tokens = await client.tokens(browser)
            form = {"grant_type": "refresh_token", "client_id": client.client_id}
            chains.append(Chain(form={**form, "refresh_token": tokens["refresh_token"]}))
    return Work("POST /oauth/token, refresh", f"{issuer}/oauth/token", FORM, {}, chains)


async def calling(deployment: Deployment) -> Work:
    """Return the work of people who call a tool that asks Val Town nothing."""
    async with httpx.AsyncClient() as http:
        client = OAuthClient(http, deployment.issuer)
        await client.register(token_endpoint_auth_method="none")
        token = (await client.tokens(Browser(http, SANDBOX_TOKEN)))["access_token"]
    request = modern("tools/call", {"name": "whoami", "arguments": {}})
    headers = {**request.headers, "Authorization": f"Bearer {token}"}
    chains = [Chain(body=json.dumps(request.body)) for _ in range(LANES)]
    return Work("POST /mcp, tools/call", deployment.resource, "application/json", headers, chains)


async def twice_the_capacity(work: Work, seconds: float) -> Outcome:
    """Measure the capacity, then ask for twice as much; print both."""
    capacity = await closed_load(work, max(2.0, seconds / 3))
    rate = capacity.statuses["200"] / capacity.seconds
    typer.echo(f"{work.name}")
    typer.echo(f"  capacity, {CLOSED} connections: {rate:.0f}/s, {_times(capacity)}")
    outcome = await open_load(work, 2 * rate, seconds)
    sent = outcome.statuses.total() - outcome.statuses["not sent"]
    served = outcome.statuses["200"] / outcome.seconds
    typer.echo(
        f"  twice that: {sent / outcome.seconds:.0f}/s sent, {served:.0f}/s served, {_times(outcome)}; "
        f"{1 - outcome.statuses['200'] / max(1, sent):.0%} refused, p99 "
        f"{outcome.percentile(99, outcome.refused):.0f} ms; {_told(outcome)}"
    )
    return outcome


def _times(outcome: Outcome) -> str:
    return f"p50 {outcome.percentile(50):.0f} ms, p99 {outcome.percentile(99):.0f} ms"


def _told(outcome: Outcome) -> str:
    return ", ".join(f"{status}: {count}" for status, count in sorted(outcome.statuses.items()))


async def flooded(work: Work, seconds: float) -> Outcome:
    """Measure the capacity, then a few requests beside a flood; print both."""
    capacity = await closed_load(work, max(2.0, seconds / 3))
    typer.echo(f"{work.name}\n  {CLOSED} connections: {_times(capacity)}")
    headers = {**work.headers, "Content-Type": work.content_type}
    body = work.chains[0].body
    with tempfile.TemporaryDirectory() as folder:
        running = asyncio.to_thread(
            flood, work.url, headers, body, Path(folder), connections=FLOODING, seconds=seconds
        )
        flooding = asyncio.create_task(running)
        outcome = await open_load(work, PROBES_PER_SECOND, seconds - 1)
        rate, refused = await flooding
    typer.echo(
        f"  beside a flood on {FLOODING} connections, {rate:.0f}/s, {refused:.0%} of it refused: "
        f"{_times(outcome)}; {_told(outcome)}"
    )
    return outcome


async def measure(deployment: Deployment, seconds: float, people: int) -> bool:
    """Run everything; return whether nothing was answered but 200 and 503 with Retry-After."""
    outcomes = [await flooded(await calling(deployment), seconds)]
    outcomes.append(await twice_the_capacity(await refreshing(deployment.issuer, CHAINS), seconds))
    work = await refreshing(deployment.issuer, people)
    outcome = await herd(work)
    typer.echo(
        f"{people} clients refresh at once\n  all served after {max(outcome.accepted, default=0):.1f} s, "
        f"p50 {outcome.percentile(50) / 1000:.1f} s; {_told(outcome)}"
    )
    served = outcome.statuses["200"] == people
    return served and all(set(one.statuses) <= {"200", "503", "not sent"} for one in outcomes)


@command.command()
def main(
    seconds: Annotated[float, typer.Option(help="Of each load.")] = 10.0,
    people: Annotated[int, typer.Option(help="Of the herd.")] = 5_000,
) -> None:
    """Ask twice what one replica of each service can serve; end with status 1 when it broke."""
    with tempfile.TemporaryDirectory() as folder, servers.ours(Path(folder)) as deployment:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {LOAD_CORE})
        good = asyncio.run(measure(deployment, seconds, people))
    if not good:
        raise typer.Exit(1)


if __name__ == "__main__":
    command()
