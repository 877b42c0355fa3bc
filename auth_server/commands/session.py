"""What every command needs: checked settings, the store, and one sentence when something is wrong."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import typer
from redis.asyncio import Redis

from auth_server.settings import AuthSettings
from shared import logs
from shared.audit.heads import HeadStore
from shared.audit.log import AuditLog
from shared.clock import Clock
from shared.flows.recorder import replica_name
from shared.key_check import StoreEmptiedError, WrongEncryptionKeyError
from shared.redis.client import StoreError, connect
from shared.settings import SettingsError
from shared.web.serve import cannot_start

_Result = TypeVar("_Result")


def with_store(run: Callable[[AuthSettings, Redis], Awaitable[_Result]]) -> _Result:
    """Return what a function makes of the settings and the store.

    Raises:
        SystemExit: with status 2 and a sentence for each wrong setting, or when this is not the store's key;
            with status 1 and a sentence when the store does not answer or was emptied.
    """
    settings = load_settings()

    async def connected() -> _Result:
        async with connect(settings.redis_url.get_secret_value()) as redis:
            return await run(settings, redis)

    try:
        return asyncio.run(connected())
    except WrongEncryptionKeyError as error:
        end(str(error), status=2)
    except StoreEmptiedError:
        end("This store is empty: no service has begun to use it, or it has lost its data.", status=1)
    except (StoreError, OSError) as error:
        end(f"The store does not answer: {error}.", status=1)


def load_settings() -> AuthSettings:
    """Return the settings of a command, and have its log lines go to standard error.

    Raises:
        SystemExit: with status 2 and a sentence for each wrong setting.
    """
    try:
        settings = AuthSettings.load()
        # Where OAuth is off there is no store of it either.
        settings.sealer  # noqa: B018
    except SettingsError as error:
        cannot_start("auth_server", error.problems)
    # Standard output is for the answer.
    logs.configure("auth_server", settings.debug, stream=sys.stderr)
    return settings


@asynccontextmanager
async def audited(
    settings: AuthSettings, redis: Redis, folder: Path | None = None
) -> AsyncIterator[AuditLog]:
    """Give the audit log of a command; its file begins with the first record.

    Args:
        settings: of the command.
        redis: the store.
        folder: where it is; AUDIT_LOG_DIR otherwise.
    """
    if folder is not None:
        settings = settings.model_copy(update={"audit_log_dir": str(folder)})
    clock = Clock()
    audit = AuditLog.of(settings, clock, service="auth_server", replica=replica_name())
    try:
        yield audit
    finally:
        await audit.close()
        await audit.flush_heads(HeadStore(redis, clock))


def end(sentence: str, *, status: int) -> NoReturn:
    """Say why a command did not do what it was asked, and end.

    Raises:
        SystemExit: always, with this status.
    """
    typer.echo(sentence, err=True)
    raise SystemExit(status)


def ask(question: str) -> None:
    """Return if the operator says yes; whoever cannot be asked says no.

    Raises:
        SystemExit: with status 1 otherwise.
    """
    # Standard output is for the answer: click's own question puts a space there.
    typer.echo(f"{question} [y/N] ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        end("Nothing was changed.", status=1)
