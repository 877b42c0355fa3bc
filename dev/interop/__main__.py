"""`python -m dev.interop`: run clients, say how each did, write docs/interop.md."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from dev.deployment import NotReadyError
from dev.flow import FlowError
from dev.interop import foreign, report
from dev.interop.foreign import ForeignServerError, Verdict
from dev.interop.matrix import CLIENTS, Case, cases, quick_cases
from dev.interop.packages import ClientsMissingError, Packages, install
from dev.interop.phases import Phase, Result, try_all
from dev.interop.stack import CommandFailedError, Stack, running
from dev.store import NoStoreError, open_test_store

UNAVAILABLE: Final = 75
"""Exit status when the clients cannot be had here (EX_TEMPFAIL of sysexits.h)."""
AT_ONCE: Final = 12
"""How many clients are kept connected while their access tokens expire."""
_CANNOT_RUN: Final = (
    NoStoreError,
    NotReadyError,
    CommandFailedError,
    ForeignServerError,
    FlowError,
    TimeoutError,
)

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@command.command()
def main(
    clients: Annotated[list[str] | None, typer.Argument(help="Which; all of them otherwise.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One row each of two clients.")] = False,
) -> None:
    """Run clients against the services; end with status 1 when one did not do what it can.

    docs/interop.md is written when all of them ran.
    """
    if unknown := set(clients or ()) - {client.name for client in CLIENTS}:
        known = ", ".join(client.name for client in CLIENTS)
        raise typer.BadParameter(f"no client {', '.join(sorted(unknown))}; there are {known}")
    wanted = quick_cases() if quick else cases(clients or ())
    everything = not quick and not clients
    try:
        packages = install()
    except ClientsMissingError as error:
        typer.echo(f"The clients cannot be had here: {error}.", err=True)
        raise typer.Exit(UNAVAILABLE) from None
    try:
        results, verdicts = asyncio.run(_run(wanted, packages, with_foreign=everything))
    except _CANNOT_RUN as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(1) from None
    if everything:
        report.write(results, verdicts, packages)
    if not all([*(one.as_it_must_be for one in results), *(one.as_it_must_be for one in verdicts)]):
        raise typer.Exit(1)


async def _run(
    wanted: Sequence[Case], packages: Packages, *, with_foreign: bool
) -> tuple[list[Result], list[Verdict]]:
    servers = foreign.servers() if with_foreign else ()
    with open_test_store() as store, tempfile.TemporaryDirectory(prefix="interop-") as folder:
        clients = {case.client for case in wanted}
        addresses = [server.url for server in servers]
        async with running(store.url, Path(folder), clients, addresses) as stack:
            results = await _try(wanted, stack, packages)
            verdicts = [await foreign.judge(server, stack, packages) for server in servers]
    for verdict in verdicts:
        typer.echo(f"{verdict.server.guard}: {'as it must be' if verdict.as_it_must_be else verdict}")
    return results, verdicts


async def _try(wanted: Sequence[Case], stack: Stack, packages: Packages) -> list[Result]:
    results = []
    for first in range(0, len(wanted), AT_ONCE):
        async for result in try_all(wanted[first : first + AT_ONCE], stack, packages):
            _tell(result)
            results.append(result)
    return results


def _tell(result: Result) -> None:
    typer.echo(f"{result.case}: {'as it must be' if result.as_it_must_be else 'NOT as it must be'}")
    for phase in Phase:
        finding = result.findings.get(phase)
        if finding is not None and not finding.works:
            typer.echo(f"  {phase}: {finding.reason}")
    if not result.as_it_must_be:
        typer.echo(f"  replicas: {sorted(result.replicas)}")


if __name__ == "__main__":
    command()
