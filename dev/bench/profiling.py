"""`make profile`: where a worker's time goes under the benchmark's load, as a flame graph and a list.

py-spy looks at the worker from outside, hundreds of times a second; it lives in the peers' environment.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from dev.bench import flame, servers
from dev.bench.environments import KEPT, peer_python
from dev.bench.load import LOAD_CORE, BenchError, run
from dev.bench.mcp_rows import CALLS, target
from dev.bench.people import code_forms, refresh_forms
from dev.bench.rows import access_token
from dev.bench.token_rows import CHAINS, load_tokens, token_url
from dev.deployment import AUTH, MCP, Deployment, NotReadyError, Service
from dev.flow import FlowError
from dev.processes import start, stop

SAMPLES_PER_SECOND: Final = 400
_HEAD_START_SECONDS: Final = 2
_CODES: Final = 64
_LISTED: Final = 25
_MCP_CALLS: Final[Mapping[str, str]] = {
    "call": "tools/call whoami, 2026-07-28",
    "call-2025": "tools/call whoami, 2025-11-25",
    "list": "tools/list, 2026-07-28",
}
_WORK: Final = (*_MCP_CALLS, "refresh", "connect")

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@command.command()
def main(
    work: Annotated[str, typer.Argument(help=f"What the worker does: one of {' '.join(_WORK)}.")] = "call",
    seconds: Annotated[int, typer.Option(help="How long to look.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Where the picture goes.")] = None,
    folder: Annotated[Path, typer.Option(help="Where environments are kept.")] = KEPT,
) -> None:
    """Draw where a worker's time goes."""
    if work not in _WORK:
        raise typer.BadParameter(f"There is no {work}.")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            stacks = flame.read(_record(work, seconds, Path(place).resolve()))
    except (BenchError, FlowError, NotReadyError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    service = MCP if work in _MCP_CALLS else AUTH
    title = f"{service.name}_server: {_MCP_CALLS.get(work, work)}"
    picture = out or folder / f"{work}.svg"
    picture.write_text(flame.svg(flame.tree(stacks), title), encoding="utf-8")
    print(f"{title}; {sum(stacks.values()):,} samples; own time, and with what was called")
    for name, own, whole in flame.shares(stacks, _LISTED):
        print(f"  {own:>6.1%} {whole:>6.1%}  {name}")
    print(f"Drawn in {picture} ({picture.stat().st_size / 1000:.0f} kB)")


def _record(work: str, seconds: int, folder: Path) -> str:
    """Return the stacks that py-spy saw while the worker was busy with this."""
    spy = peer_python(folder.parent).parent / "py-spy"
    with servers.ours(folder) as deployment:
        service, load = _load(work, seconds + _HEAD_START_SECONDS, deployment, folder)
        raw = folder / "stacks.txt"
        order = [str(spy), "record", "--pid", str(deployment.process_id(service)), "--output", str(raw)]
        order += ["--format", "raw", "--function", "--duration", str(seconds)]
        order += ["--rate", str(SAMPLES_PER_SECOND)]
        child = start("py-spy", order, folder / "py-spy.log")
        servers.pin(child.process.pid, LOAD_CORE)
        try:
            load()
            child.process.wait(timeout=seconds + 30)
        except subprocess.TimeoutExpired:
            raise BenchError("py-spy does not come to an end") from None
        finally:
            stop([child])
        if not raw.exists():
            raise BenchError(
                "py-spy may not look at another process here; run this as root, or allow it with "
                f"`sysctl kernel.yama.ptrace_scope=0`.\n{child.last_lines()}"
            )
        return raw.read_text(encoding="utf-8")


def _load(
    work: str, seconds: int, deployment: Deployment, folder: Path
) -> tuple[Service, Callable[[], object]]:
    """Return whose time this work takes, and what keeps it busy."""
    if (name := _MCP_CALLS.get(work)) is not None:
        token = asyncio.run(access_token(deployment.issuer))
        asked = target(name, deployment.resource, CALLS[name], [token])
        run(asked, folder, seconds=_HEAD_START_SECONDS)
        return MCP, lambda: run(asked, folder, seconds=seconds)
    if work == "connect":
        return AUTH, lambda: _connect(deployment.issuer, seconds)
    forms = asyncio.run(refresh_forms(deployment.issuer, CHAINS))
    refreshing = {"urls": [token_url(deployment.issuer)], "refresh": forms}
    return AUTH, lambda: load_tokens(refreshing, seconds=seconds, core=LOAD_CORE)


def _connect(issuer: str, seconds: int) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        forms = asyncio.run(code_forms(issuer, _CODES))
        load_tokens({"urls": [token_url(issuer)], "redeem": [forms]}, seconds=0, core=LOAD_CORE)


if __name__ == "__main__":
    command()
