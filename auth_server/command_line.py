"""The command line: serve on another address, or run a command of the operator."""

from typing import Annotated

import typer

from auth_server.commands import audit, clients, config, encryption, flows, grants, keys
from shared.lean_imports import lean_imports

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
for family in (audit, clients, config, encryption, flows, grants, keys):
    command.add_typer(family.command, name=family.__name__.rpartition(".")[2])


@command.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; AUTH_HOST otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; AUTH_PORT otherwise.")] = None,
) -> None:
    """Serve the authorization server. Settings come from the environment, .env and SECRETS_DIR."""
    if context.invoked_subcommand is not None:
        return
    # Only now: it takes longer to load than most commands take to run.
    with lean_imports():
        from auth_server.serving import serve_until_told_to_stop
    serve_until_told_to_stop(host, port)
