"""`make soak`: half an hour of use with small faults all the time, and whether anything grows."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from redis.asyncio import Redis

from dev.chaos.link import Link, Mode
from dev.chaos.people import PATIENCE_SECONDS, Ledger, People
from dev.chaos.world import Process, World, open_world
from dev.local_store import Binary, any_binary
from dev.store_invariants import broken_rules

PERSONS: Final = 6
REFRESH_SECONDS: Final = 2.0
SAMPLE_SECONDS: Final = 10.0
FAULT_SECONDS: Final = 0.3
"""How long a fault stays; one begins each 30 s at each replica, so it is there 1 % of the time."""

ALLOWED: Final = {"memory": 8.0, "descriptors": 8.0, "connections": 8.0, "keys": 60.0}
"""By how much the last third may be above the one before: MB and open files of a process, connections to the
store, keys in it."""

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was in use at one moment: of the largest process, and of the store."""

    memory: float
    descriptors: float
    connections: float
    keys: float


@command.command()
def main(minutes: Annotated[float, typer.Option(help="How long to go on.")] = 30.0) -> None:
    """Use everything for so long; end with status 1 when something grew, or a promise was not held."""
    with tempfile.TemporaryDirectory() as folder:
        samples, ledger, problems = asyncio.run(_soak(any_binary(), Path(folder), minutes * 60))
    served = sum(each.status == "200" for each in ledger.seen)
    typer.echo(
        f"{minutes:g} min, {len(ledger.seen)} requests, {served / len(ledger.seen):.2%} served at once, "
        f"{len(set(ledger.wrong))} kinds of wrong answers"
    )
    for name, allowed in ALLOWED.items():
        before, after = _thirds(samples, lambda sample, name=name: float(getattr(sample, name)))  # type: ignore[misc]
        typer.echo(f"  {name:12} {before:8.1f} → {after:8.1f}")
        if after - before > allowed:
            problems.append(f"{name} grew by {after - before:.1f}")
    for problem in [*problems, *sorted(set(ledger.wrong))]:
        typer.echo(problem)
    if problems or ledger.wrong:
        raise typer.Exit(1)


def _thirds(samples: Sequence[Sample], measure: Callable[[Sample], float]) -> tuple[float, float]:
    """Return the medians of the second and of the last third: the first one warms up."""
    third = max(len(samples) // 3, 1)
    middle, last = samples[third : 2 * third], samples[2 * third :]
    return (
        statistics.median(map(measure, middle or samples)),
        statistics.median(map(measure, last or samples)),
    )


async def _soak(binary: Binary, folder: Path, seconds: float) -> tuple[list[Sample], Ledger, list[str]]:
    ledger = Ledger()
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=0)
    samples: list[Sample] = []
    async with (
        open_world(binary, folder) as world,
        httpx.AsyncClient(timeout=PATIENCE_SECONDS, limits=limits) as http,
        Redis.from_url(f"redis://127.0.0.1:{world.one_store.port}/0", decode_responses=True) as redis,
    ):
        people = People(world, ledger, http, refresh_seconds=REFRESH_SECONDS)
        await people.settle(PERSONS, PERSONS)
        people.go()
        faults = [asyncio.create_task(_disturb(link)) for link in world.links.values()]
        faults += [asyncio.create_task(_interrupt(replica)) for replica in (*world.auth, *world.mcp)]
        ended = time.monotonic() + seconds
        while time.monotonic() < ended:
            await asyncio.sleep(min(SAMPLE_SECONDS, seconds / 10))
            samples.append(await _sample(world, redis))
        for fault in faults:
            fault.cancel()
        await asyncio.gather(*faults, return_exceptions=True)
        await people.stop()
        problems = await people.check_what_was_promised()
        problems += await broken_rules(redis)
    return samples, ledger, problems


async def _disturb(link: Link) -> None:
    """Let a link be slow, silent, shut or cut, for a moment, again and again."""
    while True:
        await asyncio.sleep(random.uniform(20, 40))
        match random.choice(("slow", "silent", "shut", "cut")):
            case "slow":
                link.delay = FAULT_SECONDS
            case "silent":
                link.set(Mode.SILENT)
            case "shut":
                link.set(Mode.SHUT)
            case _:
                link.cut_after = random.randrange(1, 4000)
        try:
            await asyncio.sleep(FAULT_SECONDS)
        finally:
            link.delay, link.cut_after = 0.0, None
            link.set(Mode.OPEN)


async def _interrupt(replica: Process) -> None:
    """Stop a replica for a moment, again and again."""
    while True:
        await asyncio.sleep(random.uniform(20, 40))
        replica.pause()
        try:
            await asyncio.sleep(FAULT_SECONDS)
        finally:
            replica.resume()


async def _sample(world: World, redis: Redis) -> Sample:
    processes = [replica.process_id for replica in (*world.auth, *world.mcp)]
    clients: Any = await redis.info("clients")
    return Sample(
        memory=max(map(_resident_mb, processes)),
        descriptors=max(map(_open_files, processes)),
        connections=float(clients["connected_clients"]),
        keys=float(await redis.dbsize()),
    )


def _resident_mb(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _open_files(process_id: int) -> float:
    return float(len(list(Path(f"/proc/{process_id}/fd").iterdir())))


if __name__ == "__main__":
    command()
