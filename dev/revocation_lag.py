"""`make revocation`: how long a revoked token is still accepted, on three replicas, with both cores busy."""

import asyncio
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import httpx
import typer

from dev.chaos.link import Mode
from dev.chaos.world import World, open_world
from dev.flow import Browser, OAuthClient
from dev.local_store import Binary, any_binary
from dev.mcp_messages import modern
from dev.processes import start, stop
from shared.revocation import FRESH_SECONDS

SANDBOX_TOKEN: Final = "vtwn_sandbox_ada"
REPLICAS: Final = 3
PROMISED_SECONDS: Final = 1.0
"""Within which every replica refuses a revoked token, in 99 of 100 cases."""

SPARE_SECONDS: Final = 1.0
"""How much later than FRESH_SECONDS an answer may have been on its way."""

CUT_OFF: Final = 20
"""How many tokens are revoked while one replica's link to the store is silent."""

_LOAD_CONNECTIONS: Final = 24
_POLL_SECONDS: Final = 0.002

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(slots=True)
class Tally:
    """What was seen. Lags are seconds from the answer to the revocation to the last replica's first 401."""

    lags: list[float] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    """Of the replica that was cut off: after how many seconds it accepted a token the last time."""
    wrong: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return the lag that so many are not above."""
        ordered = sorted(self.lags)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


class _Caller:
    """A kept connection to `/mcp` that lists tools, with as little of HTTP as that takes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host
        request = modern("tools/list")
        self._body = json.dumps(request.body).encode()
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())

    @classmethod
    async def open(cls, url: str) -> "_Caller":
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port), parts.netloc)

    async def status(self, token: str) -> int:
        """Return the status of one call."""
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\n{self._headers}Content-Length: {len(self._body)}\r\n\r\n"
        )
        self._writer.write(head.encode("ascii") + self._body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        await self._reader.readexactly(int(answer.split("content-length:")[1].split("\r\n")[0]))
        return int(answer.split(" ", 2)[1])

    def close(self) -> None:
        self._writer.close()


@command.command()
def main(
    samples: Annotated[int, typer.Option(help="How many tokens to revoke.")] = 500,
    rate: Annotated[int, typer.Option(help="Calls a second meanwhile.")] = 1000,
) -> None:
    """Revoke tokens one after the other; end with status 1 when one was accepted for too long."""
    with tempfile.TemporaryDirectory() as folder:
        tally = asyncio.run(measure(any_binary(), Path(folder), samples, rate))
    total = sum(tally.answers.values())
    typer.echo(f"{REPLICAS} replicas, {total} calls meanwhile: {_shares(tally)}")
    typer.echo(
        f"{len(tally.lags)} revocations until 401 everywhere: p50 {tally.percentile(0.5) * 1000:.0f} ms, "
        f"p99 {tally.percentile(0.99) * 1000:.0f} ms, longest {max(tally.lags) * 1000:.0f} ms"
    )
    typer.echo(
        f"a replica whose link to the store is silent: {len(tally.late)} tokens, the last one accepted "
        f"{max(tally.late):.1f} s after its revocation, then 503"
    )
    bound = FRESH_SECONDS + SPARE_SECONDS
    if tally.percentile(0.99) > PROMISED_SECONDS:
        tally.wrong.append(f"p99 is above {PROMISED_SECONDS:g} s")
    if max(tally.late) > bound:
        tally.wrong.append(f"accepted for more than {bound:g} s without a link")
    for problem in tally.wrong:
        typer.echo(problem)
    if tally.wrong:
        raise typer.Exit(1)


def _shares(tally: Tally) -> str:
    return ", ".join(f"{count} times {status}" for status, count in sorted(tally.answers.items()))


async def measure(binary: Binary, folder: Path, samples: int, rate: int, *, cut_off: int = CUT_OFF) -> Tally:
    """Revoke so many tokens while `rate` calls a second are made, then `cut_off` more with a silent link."""
    tally = Tally()
    async with (
        open_world(binary, folder, auth=1, mcp=REPLICAS) as world,
        httpx.AsyncClient(timeout=30) as http,
    ):
        client = OAuthClient(http, world.issuer)
        await client.register(token_endpoint_auth_method="none")
        async with httpx.AsyncClient(timeout=30) as visitor:
            browser = Browser(visitor, SANDBOX_TOKEN)
            grants = [await client.tokens(browser) for _ in range(samples + cut_off + 1)]
        steady = str(grants.pop()["access_token"])
        with _busy(folder):
            load = asyncio.create_task(_load(world, tally, steady, rate))
            await asyncio.sleep(1)
            for tokens in grants[:samples]:
                await _revoke_one(world, client, tokens, tally)
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
        await _without_a_link(world, client, grants[samples:], tally)
    return tally


@contextmanager
def _busy(folder: Path) -> Iterator[None]:
    """Keep two cores busy with something else."""
    with ExitStack() as stack:
        for number in range(2):
            child = start(f"busy-{number}", [sys.executable, "-c", "while True: pass"], folder / "busy.log")
            stack.callback(stop, [child])
        yield


async def _load(world: World, tally: Tally, token: str, rate: int) -> None:
    """Call at a steady pace on all replicas, a share of it on each connection."""
    pause = _LOAD_CONNECTIONS / rate

    async def one(url: str, first: float) -> None:
        caller = await _Caller.open(url)
        due = time.monotonic() + first
        try:
            while True:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                # What could not be sent in time is not sent at all: this is a load, no flood.
                due = max(due + pause, time.monotonic() - 1)
                status = await caller.status(token)
                tally.answers[status] = tally.answers.get(status, 0) + 1
                if status not in (200, 503):
                    tally.wrong.append(f"a good token got {status}")
        finally:
            caller.close()

    urls = [replica.url for replica in world.mcp]
    await asyncio.gather(
        *(
            one(urls[number % len(urls)], pause * number / _LOAD_CONNECTIONS)
            for number in range(_LOAD_CONNECTIONS)
        )
    )


async def _revoke_one(world: World, client: OAuthClient, tokens: dict[str, str], tally: Tally) -> None:
    token = tokens["access_token"]
    async with AsyncExitStack() as stack:
        callers = []
        for replica in world.mcp:
            caller = await _Caller.open(replica.url)
            stack.callback(caller.close)
            callers.append(caller)
            if await caller.status(token) != 200:
                tally.wrong.append("a token was not accepted before it was revoked")
        answer = await client.revoke(tokens["refresh_token"])
        revoked = time.monotonic()
        if answer.status_code != 200:
            tally.wrong.append(f"a revocation got {answer.status_code}")
            return
        refused = await asyncio.gather(*(_until_refused(caller, token) for caller in callers))
        tally.lags.append(max(refused) - revoked)
        if any([await caller.status(token) == 200 for caller in callers]):
            tally.wrong.append("a token was accepted again after it had been refused")


async def _until_refused(caller: _Caller, token: str) -> float:
    deadline = time.monotonic() + 2 * FRESH_SECONDS
    while True:
        status = await caller.status(token)
        if status == 401 or time.monotonic() > deadline:
            return time.monotonic()
        await asyncio.sleep(_POLL_SECONDS)


async def _without_a_link(
    world: World, client: OAuthClient, grants: Sequence[dict[str, str]], tally: Tally
) -> None:
    """Let one replica's link fall silent, revoke, and see for how long it goes on accepting."""
    replica = world.mcp[-1]
    world.links[replica.name].set(Mode.SILENT)
    revoked: dict[str, float] = {}
    for tokens in grants:
        if (await client.revoke(tokens["refresh_token"])).status_code == 200:
            revoked[tokens["access_token"]] = time.monotonic()
    caller = await _Caller.open(replica.url)
    last = dict.fromkeys(revoked, 0.0)
    ended = time.monotonic() + 2 * FRESH_SECONDS
    while time.monotonic() < ended:
        for token, since in revoked.items():
            status = await caller.status(token)
            if status == 200:
                last[token] = time.monotonic() - since
            elif status != 503:
                tally.wrong.append(f"without a link a token got {status}")
    caller.close()
    tally.late = list(last.values())


if __name__ == "__main__":
    command()
