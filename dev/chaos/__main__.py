"""Run the matrix of faults, print a line for each, and write docs/reliability.md."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from dev.chaos import report
from dev.chaos.breaking import LIBFAKETIME, BrokenPromiseError
from dev.chaos.faults import FAULTS, Fault, StoreKind
from dev.chaos.people import PATIENCE_SECONDS, Ledger, People, Story, tell
from dev.chaos.world import World, open_world
from dev.deployment import ROOT
from dev.local_replication import Cluster, Replication, serve_cluster, serve_replication
from dev.local_store import Binary, any_binary

PERSONS: Final = 4
TO_REVOKE: Final = 4
BEFORE_SECONDS: Final = 0.5
AFTER_SECONDS: Final = 2.0

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fault came to; `problems` is empty when everything held that must."""

    fault: Fault
    story: Story
    problems: tuple[str, ...]
    skipped: str = ""


@command.command()
def main(
    only: Annotated[
        list[str] | None, typer.Argument(help="Faults by id, F1 and so on; all by default.")
    ] = None,
    write: Annotated[bool, typer.Option(help="Write docs/reliability.md.")] = False,
) -> None:
    """Break one thing at a time under load; end with status 1 when a promise was not held."""
    chosen = [fault for fault in FAULTS if not only or fault.id in only]
    with tempfile.TemporaryDirectory() as folder:
        binary = any_binary()
        typer.echo(
            f"store: {binary.name}; 2 replicas of each service; {PERSONS} people refresh and call tools"
        )
        outcomes = asyncio.run(_run(binary, Path(folder), chosen))
    failed = [outcome for outcome in outcomes if outcome.problems]
    typer.echo(f"\n{len(outcomes) - len(failed)} of {len(outcomes)} faults: every promise was held.")
    if write:
        (ROOT / "docs" / "reliability.md").write_text(report.document(outcomes, binary.name), "utf-8")
    if failed:
        raise typer.Exit(1)


async def _run(binary: Binary, folder: Path, faults: Sequence[Fault]) -> list[Outcome]:
    outcomes = []
    on_one = [fault for fault in faults if fault.store is StoreKind.ONE]
    if on_one:
        async with open_world(binary, folder / "one") as world:
            outcomes = [_told(await _try(world, fault)) for fault in on_one]
    for number, fault in enumerate(fault for fault in faults if fault.store is not StoreKind.ONE):
        # What such a fault breaks is not mended: the next one gets a store of its own.
        own = folder / f"several-{number}"
        with _several(binary, own, fault.store) as servers:
            # With WAIT where a replica is left after the failover: without one nothing could be confirmed.
            wait = "1" if fault.store is StoreKind.SENTINEL else "0"
            async with open_world(binary, own, servers=servers, REDIS_WAIT_REPLICAS=wait) as world:
                outcomes.append(_told(await _try(world, fault)))
    return sorted(outcomes, key=lambda outcome: FAULTS.index(outcome.fault))


def _several(
    binary: Binary, folder: Path, kind: StoreKind
) -> AbstractContextManager[Replication] | AbstractContextManager[Cluster]:
    if kind is StoreKind.SENTINEL:
        return serve_replication(binary, folder / "store", replicas=2)
    return serve_cluster(binary, folder / "store", replicas=1)


def _told(outcome: Outcome) -> Outcome:
    typer.echo(report.line(outcome))
    for problem in outcome.problems:
        typer.echo(f"       {problem}")
    return outcome


async def _try(world: World, fault: Fault) -> Outcome:
    if fault.id == "F18" and not LIBFAKETIME:
        nothing = tell(Ledger(), 0.0, 0.0, 0.0)
        return Outcome(fault, nothing, (), skipped="libfaketime is not installed")
    ledger = Ledger()
    # As the Caddyfile has it: every request on a connection of its own.
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=0)
    problems: list[str] = []
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, limits=limits) as http:
        people = People(world, ledger, http)
        await people.settle(PERSONS, TO_REVOKE)
        people.go()
        await asyncio.sleep(BEFORE_SECONDS)
        began = time.monotonic()
        try:
            async with fault.broken(world):
                await asyncio.sleep(fault.seconds)
        except BrokenPromiseError as error:
            problems.append(str(error))
        repaired = time.monotonic()
        await asyncio.sleep(fault.recovery + AFTER_SECONDS)
        ended = time.monotonic()
        await people.stop()
        problems += await people.check_what_was_promised()
    story = tell(ledger, began, repaired, ended)
    problems += sorted(set(story.wrong))
    problems += fault.holds(story)
    if story.recovered > fault.recovery:
        problems.append(f"it took {story.recovered:.1f} s to recover, more than {fault.recovery:g} s")
    return Outcome(fault, story, tuple(problems))


if __name__ == "__main__":
    command()
