"""python -m mcp_server.sandbox: serve the stand-in."""

import contextlib
import signal
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
import uvicorn

from mcp_server.sandbox.accounts import ACCOUNTS
from mcp_server.sandbox.app import create_app


def serve(
    host: Annotated[str, typer.Option(envvar="SANDBOX_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(envvar="SANDBOX_PORT", min=0, max=65535, help="Port to listen on; 0 takes a free one."),
    ] = 9100,
    data_dir: Annotated[
        str,
        typer.Option(
            envvar="SANDBOX_DATA_DIR",
            help="Folder to keep state in. Default: a fresh one, removed at the end.",
        ),
    ] = "",
) -> None:
    """Serve a local stand-in of Val Town's REST API."""
    # uvicorn stops cleanly on either signal and raises it again at the end: that is then status 0, not a
    # death.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_folder(data_dir))
        listener = stack.enter_context(_listener(host, port))
        try:
            app = create_app(folder)
        except sqlite3.Error as error:
            _give_up(f"cannot keep state in {folder}: {error}")
        shown = f"[{host}]" if ":" in host else host
        typer.echo(f"Val Town sandbox on http://{shown}:{listener.getsockname()[1]}")
        typer.echo("Tokens: " + ", ".join(f"vtwn_sandbox_{account.username}" for account in ACCOUNTS))
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=3,
        )
        uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def _folder(data_dir: str) -> Iterator[Path]:
    if not data_dir:
        with tempfile.TemporaryDirectory(prefix="val-town-sandbox-") as fresh:
            yield Path(fresh)
        return
    folder = Path(data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _give_up(f"cannot keep state in {folder}: {error.strerror}")
    yield folder


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        _give_up(f"cannot listen on {host}:{port}: {error.strerror} (SANDBOX_PORT or --port chooses another)")


def _give_up(reason: str) -> NoReturn:
    typer.echo(f"sandbox: {reason}", err=True)
    raise typer.Exit(1)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    typer.run(serve)
