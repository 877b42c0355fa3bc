"""Serves MCP until told to stop. What a command does not need is imported here."""

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from mcp_server.app import OVERLOAD, create_app
from mcp_server.settings import McpSettings
from shared import logs, tracing
from shared.flows.recorder import replica_name
from shared.key_check import KeyCheck
from shared.redis.client import connect
from shared.settings import SettingsError, unknown_in_environment
from shared.web.serve import cannot_start, listen, serve

_SETTLE_SECONDS = 2.0
"""A start waits no longer for keys and revocations: without them it says that it is not ready."""


def serve_until_told_to_stop(host: str | None, port: int | None) -> None:
    """Serve as the settings say, on another address if one is given.

    Raises:
        SystemExit: it cannot start; a sentence says why.
    """
    try:
        settings = McpSettings.load()
        tracing.start("mcp_server")
    except SettingsError as error:
        cannot_start("mcp_server", error.problems)
    logs.configure("mcp_server", settings.debug)
    log = logs.get_logger("mcp:app")
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
