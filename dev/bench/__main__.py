"""`python -m dev.bench`: measure, print the table, keep it as JSON."""

import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from dev.bench import report
from dev.bench.cost_rows import cost_rows
from dev.bench.load import BenchError
from dev.bench.mcp_rows import mcp_rows
from dev.bench.rows import Line, Plan
from dev.bench.token_rows import token_rows

ROWS: Final[Mapping[str, Callable[[Plan], Iterable[Line]]]] = {
    "mcp": mcp_rows,
    "token": token_rows,
    "cost": cost_rows,
}

_KEPT = Path(".run/bench")

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@command.command()
def main(
    only: Annotated[list[str] | None, typer.Argument(help=f"Some of: {' '.join(ROWS)}.")] = None,
    quick: Annotated[bool, typer.Option(help="One second each, once: proves that it runs.")] = False,
    without_peers: Annotated[bool, typer.Option(help="Leave out what has to be installed.")] = False,
    check: Annotated[bool, typer.Option(help="End with status 1 when a ratio is not met.")] = False,
) -> None:
    """Measure the services against a bare server and against peers, on one core each."""
    unknown = set(only or ()) - set(ROWS)
    if unknown:
        raise typer.BadParameter(f"There is no {' '.join(sorted(unknown))}.")
    _KEPT.mkdir(parents=True, exist_ok=True)
    print(f"{report.machine()}; server on one core, load on another\n", flush=True)
    rows: list[Line] = []
    with tempfile.TemporaryDirectory(dir=_KEPT) as folder:
        plan = Plan(
            seconds=1 if quick else 4,
            rounds=1 if quick else 5,
            peers=not without_peers,
            folder=Path(folder).resolve(),
        )
        try:
            for name in only or ROWS:
                for row in ROWS[name](plan):
                    rows.append(row)
                    print(report.line(row), flush=True)
        except BenchError as error:
            print(f"\n{error}", file=sys.stderr)
            raise typer.Exit(2) from None
    report.write(rows, _KEPT / "latest.json")
    print(f"\nKept in {_KEPT / 'latest.json'}")
    if check and not all(row.is_met for row in rows):
        raise typer.Exit(1)


if __name__ == "__main__":
    command()
