"""`python -m dev.bench`: measure, print the table, keep it as JSON; `--write` makes the documents of it."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from dev.bench import report, results
from dev.bench.cost_rows import cost_rows
from dev.bench.environments import KEPT
from dev.bench.latency_rows import latency_rows, revocation_rows
from dev.bench.load import OWN_DRIVER, BenchError, driver_name
from dev.bench.mcp_rows import mcp_rows
from dev.bench.memory_rows import memory_rows
from dev.bench.rows import Line, Plan
from dev.bench.scale_rows import scale_rows
from dev.bench.token_rows import token_rows
from dev.deployment import NotReadyError
from dev.docs import benchmark
from dev.flow import FlowError

GROUPS: Final[Mapping[str, Callable[[Plan], Iterable[Line]]]] = {
    "mcp": mcp_rows,
    "latency": latency_rows,
    "token": token_rows,
    "revocation": revocation_rows,
    "cost": cost_rows,
    "memory": memory_rows,
    "scale": scale_rows,
}

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@command.command()
def main(
    only: Annotated[list[str] | None, typer.Argument(help=f"Some of: {' '.join(GROUPS)}.")] = None,
    quick: Annotated[bool, typer.Option(help="One second each, once: proves that it runs.")] = False,
    without_peers: Annotated[bool, typer.Option(help="Leave out what has to be installed.")] = False,
    grants: Annotated[int, typer.Option(help="How many grants to make through the API.")] = 2_000,
    clients: Annotated[int, typer.Option(help="How many clients to register through the API.")] = 5_000,
    check: Annotated[bool, typer.Option(help="End with status 1 when something is not met.")] = False,
    show: Annotated[bool, typer.Option(help="Measure nothing; show what is kept.")] = False,
    write: Annotated[bool, typer.Option(help="Write docs/benchmark.* from what is known then.")] = False,
    folder: Annotated[Path, typer.Option(help="Where results and environments are kept.")] = KEPT,
) -> None:
    """Measure the services against a bare server and against peers, on one core each."""
    if unknown := set(only or ()) - set(GROUPS):
        raise typer.BadParameter(f"There is no {' '.join(sorted(unknown))}.")
    if quick and write:
        raise typer.BadParameter("What --quick measures is not worth writing down.")
    folder.mkdir(parents=True, exist_ok=True)
    # What only proves that it runs must not take the place of what was measured.
    kept = folder / ("quick.json" if quick else "latest.json")
    print(f"{results.machine()}; server on one core, load on another: {driver_name()}", flush=True)
    if driver_name() == OWN_DRIVER:
        print("(wrk is not installed; on Debian and Ubuntu: apt install wrk)")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        plan = Plan(
            seconds=1 if quick else 2,
            rounds=1 if quick else 5,
            peers=not without_peers,
            folder=Path(place).resolve(),
            quick=quick,
            grants=grants,
            clients=clients,
        )
        known = _shown(results.read(kept)) if show else _measure_all(only or list(GROUPS), plan, kept)
    _tell_model(known)
    print(f"\nKept in {kept}")
    if write:
        print("Written: " + " ".join(benchmark.write(known)))
    if check and any(line.is_met is False for group in known.groups.values() for line in group.lines):
        raise typer.Exit(1)


def _shown(known: results.Results) -> results.Results:
    for name, group in known.groups.items():
        print(f"\n{report.TITLES[name]} ({group.at})", *map(report.line, group.lines), sep="\n")
    return known


def _measure_all(names: Sequence[str], plan: Plan, kept: Path) -> results.Results:
    """Return what is known after these groups were measured; it is kept after each."""
    known, failed = results.read(kept), []
    for name in names:
        try:
            known = known.with_group(name, _measure(name, plan))
        except (BenchError, FlowError, NotReadyError) as error:
            print(f"\n{name}: {error}", file=sys.stderr, flush=True)
            failed.append(name)
        kept.write_text(results.to_json(known), encoding="utf-8")
    if failed:
        print(f"\nNot measured: {' '.join(failed)}", file=sys.stderr)
        raise typer.Exit(2)
    return known


def _measure(name: str, plan: Plan) -> list[Line]:
    print(f"\n{report.TITLES[name]}", flush=True)
    began, lines = time.monotonic(), []
    for line in GROUPS[name](plan):
        lines.append(line)
        print(report.line(line), flush=True)
    print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    return lines


def _tell_model(known: results.Results) -> None:
    if lines := report.model_lines(known):
        print("\nOn paper, from these costs", *lines, sep="\n")


if __name__ == "__main__":
    command()
