"""`python -m mcp_server`: serve the MCP resource server until told to stop."""

import shared  # noqa: F401 - first: it keeps out what the others would take along

# isort: split
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from redis.asyncio import Redis

from mcp_server.doctor.command import doctor
from mcp_server.settings import McpSettings
from shared import tracing
from shared.flows.recorder import replica_name
from shared.key_check import KeyCheck
from shared.logs import configure, get_logger
from shared.redis.client import connect
from shared.settings import SettingsError, unknown_in_environment
from shared.web.serve import cannot_start, listen, serve

_SETTLE_SECONDS = 2.0
"""A start waits no longer for keys and revocations: without them it says that it is not ready."""

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
    from mcp_server.app import OVERLOAD, create_app

    try:
        settings = McpSettings.load()
        tracing.start("mcp_server")
    except SettingsError as error:
        cannot_start("mcp_server", error.problems)
    configure("mcp_server", settings.debug)
    log = get_logger("mcp:app")
    for warning in (*settings.warnings(), *unknown_in_environment()):
        log.warning(warning)
    listener = listen(
        host or settings.mcp_host, settings.mcp_port if port is None else port, setting="MCP_PORT"
    )
    address, bound_port = listener.getsockname()[:2]
    log.info("listening", host=address, port=bound_port, resource=settings.mcp_resource_url)
    redis = connect(settings.redis_url.get_secret_value())
    serve(
        create_app(settings, redis=redis, replica=replica_name(bound_port), settle_seconds=_SETTLE_SECONDS),
        listener,
        redis,
        service="mcp_server",
        check=_key_check(settings, redis),
        drain_seconds=settings.drain_seconds,
        overload=OVERLOAD,
    )


def _key_check(settings: McpSettings, redis: Redis) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if settings.oauth_enabled:
            await KeyCheck(redis, settings.sealer).verify()

    return check


if __name__ == "__main__":
    command()
