"""`make rolling`: restart every replica five times under load, with a key rotation and a failover in it."""

import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from dev.chaos.breaking import restart, rotate_key
from dev.chaos.one_shot import OneShot
from dev.chaos.people import PATIENCE_SECONDS, Ledger, People
from dev.chaos.world import World, open_world
from dev.local_replication import Replication, serve_replication
from dev.local_store import Binary, any_binary

PERSONS: Final = 32
CALLS_PER_SECOND: Final = 200.0
"""Of all of them together, each of whom waits for one answer before the next call."""

REFRESH_SECONDS: Final = 10.0
"""How often each client refreshes: far more often than one does whose tokens live an hour."""

ALLOWED_503: Final = 0.001
FAILOVER_SECONDS: Final = 5.0
_SERVED: Final = "200"

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@command.command()
def main(rounds: Annotated[int, typer.Option(help="How often each replica is restarted.")] = 5) -> None:
    """Restart all replicas in turn; end with status 1 when a client saw anything it should not."""
    with tempfile.TemporaryDirectory() as folder:
        binary = any_binary()
        with serve_replication(binary, Path(folder) / "store", replicas=2) as servers:
            began = time.monotonic()
            ledger, problems, killed = asyncio.run(_roll(binary, Path(folder), servers, rounds))
            taken = time.monotonic() - began
    statuses = Counter((each.kind, each.status) for each in ledger.seen)
    total = statuses.total()
    refused = sum(count for (_, status), count in statuses.items() if status != _SERVED)
    typer.echo(
        f"2 + 2 replicas restarted {rounds} times in {taken:.0f} s, a key rotation, a Sentinel failover: "
        f"{total} requests ({total / taken:.0f}/s), {refused} not served ({refused / total:.2%})"
    )
    for (kind, status), count in sorted(statuses.items()):
        if status != _SERVED:
            by_failover = sum(
                0 <= each.at - killed < FAILOVER_SECONDS
                for each in ledger.seen
                if (each.kind, each.status) == (kind, status)
            )
            typer.echo(
                f"  {kind}: {count} times {status}, {by_failover} of them "
                f"within {FAILOVER_SECONDS:g} s of the master's end"
            )
    problems += sorted(set(ledger.wrong))
    if refused > ALLOWED_503 * total:
        problems.append(f"more than {ALLOWED_503:.1%} were not served")
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)


async def _roll(
    binary: Binary, folder: Path, servers: Replication, rounds: int
) -> tuple[Ledger, list[str], float]:
    """Return what clients saw, what was lost, and when the master was ended."""
    ledger = Ledger()
    killed = 0.0
    async with (
        open_world(binary, folder, servers=servers, DRAIN_SECONDS="1") as world,
        httpx.AsyncClient(transport=OneShot(PATIENCE_SECONDS)) as http,
    ):
        people = People(
            world,
            ledger,
            http,
            refresh_seconds=REFRESH_SECONDS,
            calls_per_second=CALLS_PER_SECOND,
            checks_health=True,
        )
        await people.settle(PERSONS, rounds)
        people.go()
        await asyncio.sleep(1)
        for number in range(rounds):
            await _restart_all(world)
            if number == rounds // 2 and world.servers is not None:
                # Now, when the last mcp_server to start knows nobody's credential yet.
                world.servers.kill(0)
                killed = time.monotonic()
            if number == rounds // 3:
                await rotate_key(world)
        await asyncio.sleep(2)
        await people.stop()
        return ledger, await people.check_what_was_promised(), killed


async def _restart_all(world: World) -> None:
    for replica in (*world.auth, *world.mcp):
        await restart(world, replica)


if __name__ == "__main__":
    command()
