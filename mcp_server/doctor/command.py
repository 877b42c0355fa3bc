"""`python -m mcp_server doctor`: the examination for the terminal."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import httpx
import typer

from mcp_server.doctor.examination import examine
from mcp_server.doctor.probe import SECONDS, Probe, to_json
from mcp_server.doctor.walk import Result, Status

_MARKS: Final = {Status.OK: "ok", Status.WARNING: "warning", Status.FAULT: "FAULT", Status.SKIPPED: "skipped"}
_WIDTH: Final = max(map(len, _MARKS.values())) + 2


def doctor(
    url: Annotated[str, typer.Argument(help="The MCP URL, exactly as people enter it in their client.")],
    token_file: Annotated[
        Path | None,
        typer.Option(help="A file with an access token to judge too; - reads it from standard input."),
    ] = None,
    origin: Annotated[
        str, typer.Option(help="With a token: the origin of a web page whose client is to connect.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Walk what a client walks, and say why one does not connect.

    Nothing is registered or changed. Exits with 0 when no fault was found, else with 1.
    """
    if not _is_url(url):
        raise typer.BadParameter("must be an http or https URL", param_hint="URL")
    results = asyncio.run(_examine(url, _token(token_file), origin))
    if as_json:
        typer.echo(to_json(described(url, results)))
    else:
        _print(url, results)
    if any(result.status is Status.FAULT for result in results):
        raise typer.Exit(1)


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


async def _examine(url: str, token: str, origin: str) -> list[Result]:
    async with httpx.AsyncClient(timeout=SECONDS) as http:
        return await examine(Probe(http), url, token=token, origin=origin)


def _token(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return (sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot be read: {error}", param_hint="--token-file") from None


def described(url: str, results: list[Result]) -> dict[str, object]:
    """Return the results as members of a JSON object."""
    return {
        "url": url,
        "ok": not any(result.status is Status.FAULT for result in results),
        "steps": [
            {
                "step": result.step,
                "status": result.status.value,
                "said": result.said,
                "findings": [
                    {
                        "cause": finding.cause.id,
                        "says": finding.cause.says,
                        "evidence": finding.evidence,
                        "fix": finding.cause.fix,
                    }
                    for finding in result.findings
                ],
            }
            for result in results
        ],
    }


def _print(url: str, results: list[Result]) -> None:
    typer.echo(f"{url}\n")
    for result in results:
        said = f": {result.said}" if result.said and not result.findings else ""
        typer.echo(f"{_MARKS[result.status]:{_WIDTH}}{result.step}{said}")
        for finding in result.findings:
            for name, text in (
                ("cause", f"{finding.cause.says} [{finding.cause.id}]"),
                ("seen", finding.evidence),
                ("fix", finding.cause.fix),
            ):
                typer.echo(f"{'':{_WIDTH}}  {name:6} {text}")
    faults = sum(result.status is Status.FAULT for result in results)
    typer.echo(f"\n{'No fault found.' if not faults else f'{faults} of {len(results)} steps found a fault.'}")
