"""The command line: serve on another address, or examine a deployment."""

from typing import Annotated

import typer

from mcp_server.doctor.command import doctor
from shared.lean_imports import lean_imports

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
command.command()(doctor)


@command.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; MCP_HOST otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; MCP_PORT otherwise.")] = None,
) -> None:
    """Serve MCP. Settings come from the environment, .env and SECRETS_DIR."""
    if context.invoked_subcommand is not None:
        return
    # Only now: the doctor needs none of it.
    with lean_imports():
        from mcp_server.serving import serve_until_told_to_stop
    serve_until_told_to_stop(host, port)
