"""`python -m mcp_server`: serve the MCP resource server until told to stop."""

import asyncio
import socket
from contextlib import suppress
from typing import Annotated

import typer
import uvicorn

from mcp_server.app import create_app
from mcp_server.settings import McpSettings
from shared.logs import configure, get_logger
from shared.redis.client import connect
from shared.settings import SettingsError, unknown_in_environment

DRAIN_SECONDS = 10
"""How long requests under way may go on after SIGTERM."""

KEEP_ALIVE_SECONDS = 75
MAX_CONNECTIONS = 4096
BACKLOG = 2048

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@command.callback(invoke_without_command=True)
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; MCP_HOST otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; MCP_PORT otherwise.")] = None,
) -> None:
    """Serve MCP. Settings come from the environment, .env and SECRETS_DIR."""
    try:
        settings = McpSettings.load()
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(2) from None
    configure("mcp_server", settings.debug)
    log = get_logger("mcp:app")
    for warning in (*settings.warnings(), *unknown_in_environment()):
        log.warning(warning)
    listener = _listen(host or settings.mcp_host, settings.mcp_port if port is None else port)
    log.info("listening", address=_address(listener), resource=settings.mcp_resource_url)
    # uvicorn raises the signal again that stopped it; Ctrl-C is no error.
    with suppress(KeyboardInterrupt):
        _run(settings, listener)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        typer.echo(f"Cannot listen on {host}:{port}: {reason}. Set MCP_PORT to another port.", err=True)
        raise typer.Exit(1) from None


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _run(settings: McpSettings, listener: socket.socket) -> None:
    redis = connect(settings.redis_url.get_secret_value())
    config = uvicorn.Config(
        create_app(settings, redis=redis),
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        # The request log is ours: it has the request id and never a query.
        access_log=False,
        server_header=False,
        # Nothing here depends on who the client says it is.
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        try:
            runner.run(uvicorn.Server(config).serve(sockets=[listener]))
        finally:
            runner.run(redis.aclose())


if __name__ == "__main__":
    command()
