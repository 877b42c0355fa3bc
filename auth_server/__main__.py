"""`python -m auth_server`: serve the authorization server, or run a command of its operator."""

import shared  # noqa: F401 - first: it keeps out what the others would take along

# isort: split
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from redis.asyncio import Redis

from auth_server.commands import audit, clients, config, encryption, flows, grants, keys
from auth_server.settings import AuthSettings
from shared import logs
from shared.flows.recorder import replica_name
from shared.key_check import KeyCheck
from shared.redis.client import connect
from shared.settings import SettingsError, unknown_in_environment
from shared.web.serve import cannot_start, listen, serve

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
command.add_typer(audit.command, name="audit")
command.add_typer(clients.command, name="clients")
command.add_typer(config.command, name="config")
command.add_typer(encryption.command, name="encryption")
command.add_typer(flows.command, name="flows")
command.add_typer(grants.command, name="grants")
command.add_typer(keys.command, name="keys")


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
    from auth_server.app import create_app, overload_policy
    from shared import tracing

    try:
        settings = AuthSettings.load()
        tracing.start("auth_server")
    except SettingsError as error:
        cannot_start("auth_server", error.problems)
    logs.configure("auth_server", settings.debug)
    log = logs.get_logger("oauth:start")
    for warning in (*settings.warnings(), *unknown_in_environment()):
        log.warning(warning)
    listener = listen(
        host or settings.auth_host, settings.auth_port if port is None else port, setting="AUTH_PORT"
    )
    address, bound_port = listener.getsockname()[:2]
    log.info("listening", host=address, port=bound_port, issuer=settings.oauth_issuer_url)
    redis = connect(settings.redis_url.get_secret_value())
    try:
        app = create_app(settings, redis=redis, replica=replica_name(bound_port))
    except SettingsError as error:
        cannot_start("auth_server", error.problems)
    serve(
        app,
        listener,
        redis,
        service="auth_server",
        check=_key_check(settings, redis),
        drain_seconds=settings.drain_seconds,
        overload=overload_policy(settings, redis),
    )


def _key_check(settings: AuthSettings, redis: Redis) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if settings.oauth_enabled:
            await KeyCheck(redis, settings.sealer).claim()

    return check


if __name__ == "__main__":
    command()
