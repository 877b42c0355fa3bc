"""Serves: settings from outside, a listener, the store, the app, until told to stop."""

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from auth_server.app import create_app
from auth_server.front import overload_policy
from auth_server.settings import AuthSettings
from shared import logs, tracing
from shared.flows.recorder import replica_name
from shared.key_check import KeyCheck
from shared.redis.client import connect
from shared.settings import SettingsError, unknown_in_environment
from shared.web.serve import cannot_start, listen, serve


def serve_until_told_to_stop(host: str | None, port: int | None) -> None:
    """Serve on an address; None: that of AUTH_HOST and AUTH_PORT.

    Raises:
        SystemExit: it cannot start; the person at the terminal was told why.
    """
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
