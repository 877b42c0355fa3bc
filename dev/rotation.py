"""`make rotation`: rotate the signing key every few seconds under load, on three replicas of each service."""

import asyncio
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer
from joserfc.jws import extract_compact

from dev.deployment import environment
from dev.flow import Browser, OAuthClient
from dev.mcp_messages import modern
from dev.replicas import Replicas, replicate
from dev.store import open_test_store

PEOPLE: Final = 6
EVERY_SECONDS: Final = 5.0
SANDBOX_TOKEN: Final = "vtwn_sandbox_ada"

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(slots=True)
class Tally:
    """What was seen: answers by kind and status, and the keys that signed."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    kids: set[str] = field(default_factory=set)
    rotations: int = 0

    def count(self, kind: str, status: str) -> None:
        """Count one answer."""
        self.answers[kind, status] += 1

    @property
    def failed(self) -> int:
        """Answers that were not 200."""
        return sum(count for (_, status), count in self.answers.items() if status != "200")


@command.command()
def main(
    seconds: Annotated[float, typer.Option(help="How long to go on.")] = 120.0,
    replicas: Annotated[int, typer.Option(help="Of each service.")] = 3,
) -> None:
    """Rotate every five seconds while clients refresh and call; fail when a single request does."""
    with tempfile.TemporaryDirectory() as folder, open_test_store() as store:
        typer.echo(f"store: {store.description}; {replicas} replicas of each service, {seconds:g} s")
        with replicate(store.url, Path(folder), auth=replicas, mcp=replicas) as running:
            began = time.monotonic()
            tally = asyncio.run(rotate_under_load(running, seconds))
            taken = time.monotonic() - began
    total = tally.answers.total()
    for (kind, status), count in sorted(tally.answers.items()):
        typer.echo(f"  {kind:14}{status:>10}{count:>9}")
    typer.echo(
        f"{tally.rotations} rotations, {len(tally.kids)} signing keys seen, {total} requests "
        f"({total / taken:.0f}/s), {tally.failed} failed"
    )
    if tally.failed or not tally.kids:
        raise typer.Exit(1)


async def rotate_under_load(replicas: Replicas, seconds: float) -> Tally:
    """Return what was seen in so many seconds of refreshing and calling across all replicas."""
    tally = Tally()
    until = time.monotonic() + seconds
    async with httpx.AsyncClient(timeout=10) as http:
        people = [_person(http, replicas, tally, until, number) for number in range(PEOPLE)]
        await asyncio.gather(_rotate(replicas, tally, until), *people)
    return tally


async def _person(
    http: httpx.AsyncClient, replicas: Replicas, tally: Tally, until: float, number: int
) -> None:
    async with httpx.AsyncClient() as own:
        client = OAuthClient(own, replicas.issuer)
        await client.register(token_endpoint_auth_method="none")
        tokens = await client.tokens(Browser(own, SANDBOX_TOKEN))
    auth = itertools.cycle(replicas.auth[number % len(replicas.auth) :] + replicas.auth)
    mcp = itertools.cycle(replicas.mcp[number % len(replicas.mcp) :] + replicas.mcp)
    form = {"grant_type": "refresh_token", "client_id": client.client_id}
    while time.monotonic() < until:
        sent = {**form, "refresh_token": tokens["refresh_token"]}
        answer = await _counted(tally, "refresh", http.post(f"{next(auth)}/oauth/token", data=sent))
        if answer is None:
            continue
        tokens = answer.json()
        access_token = tokens["access_token"]
        tally.kids.add(str(extract_compact(access_token.encode()).headers()["kid"]))
        for _ in range(2 * len(replicas.mcp)):
            call = modern("tools/list").send(http, f"{next(mcp)}/mcp", access_token)
            await _counted(tally, "tools/list", call)


async def _counted(tally: Tally, kind: str, request: Awaitable[httpx.Response]) -> httpx.Response | None:
    """Count an answer; return it when it is 200."""
    try:
        answer = await request
    except httpx.TransportError as error:
        tally.count(kind, type(error).__name__)
        return None
    tally.count(kind, str(answer.status_code))
    return answer if answer.status_code == httpx.codes.OK else None


async def _rotate(replicas: Replicas, tally: Tally, until: float) -> None:
    environ = environment(replicas.settings)
    next_at = time.monotonic()
    while time.monotonic() < until:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "auth_server",
            "keys",
            "rotate",
            env=environ,
            cwd=tempfile.gettempdir(),
            stdout=asyncio.subprocess.DEVNULL,
        )
        ended = await process.wait()
        tally.count("keys rotate", "200" if ended == 0 else f"exit {ended}")
        tally.rotations += ended == 0
        next_at += EVERY_SECONDS
        await asyncio.sleep(max(0.0, min(next_at, until) - time.monotonic()))


if __name__ == "__main__":
    command()
