"""The master of a service that Sentinels watch: asked for when needed, and again when it is in doubt.

A connection belongs to the era in which its master was found. When another master is found a new era begins,
and the pool replaces each connection of an older one before it is used again.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import NoPermissionError, ReadOnlyError
from redis.exceptions import TimeoutError as StoreTimeoutError

from shared.redis.address import StoreAddress
from shared.redis.connections import MAX_CONNECTIONS, POOL_WAIT_SECONDS, no_retry, options
from shared.redis.master import Master
from shared.redis.measured import MeasuredPipeline, MeasuredRedis
from shared.redis.patience import CrowdedError, Patience, Where, is_repeatable, may_wait
from shared.redis.unsent import is_unsent

_MASTER: Final = ("master", b"master")


class _ToMaster(AbstractConnection):
    """Mixed into a connection: it leads to the master, and tells when that is none any more."""

    host: str
    port: int

    def __init__(self, *, master: Master, **arguments: Any) -> None:
        self._master = master
        self.era = -1
        super().__init__(**arguments)

    async def connect(self) -> None:
        """Connect to the master, if not connected."""
        if self.is_connected:
            return
        try:
            self.host, self.port = await self._master.address()
            self.era = self._master.era
            await super().connect()  # type: ignore[no-untyped-call]
        except (StoreConnectionError, StoreTimeoutError):
            self._master.doubt()
            raise

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        """Greet the store, and make sure that it is a master: sentinels may not have noticed a change yet."""
        await super().on_connect_check_health(check_health=check_health)
        await self.send_command("ROLE")
        try:
            role = await self.read_response()
        except NoPermissionError:
            # A user without the right to ask: a write will tell.
            return
        if role[0] not in _MASTER:
            raise StoreConnectionError("the sentinels named a server that is no master")

    async def read_response(self, *arguments: Any, **named: Any) -> Any:
        """Return the next reply."""
        try:
            return await super().read_response(*arguments, **named)
        except ReadOnlyError:
            self._master.left(self.era)
            raise
        except (StoreConnectionError, StoreTimeoutError):
            self._master.doubt()
            raise


class _PlainConnection(_ToMaster, Connection):
    """Without TLS."""


class _TlsConnection(_ToMaster, SSLConnection):
    """With TLS."""


class MasterPool(BlockingConnectionPool):
    """Connections to the master."""

    def __init__(self, master: Master, **arguments: Any) -> None:
        """Take who knows the master, and what every connection is made with."""
        super().__init__(master=master, **arguments)
        self.master = master

    async def get_connection(self, *arguments: Any, **named: Any) -> AbstractConnection:
        """Return a connection that nobody else uses."""
        try:
            found: AbstractConnection = await super().get_connection(  # type: ignore[no-untyped-call]
                *arguments, **named
            )
        except StoreConnectionError as error:
            if isinstance(error.__cause__, TimeoutError) and not is_unsent(error):
                raise CrowdedError(str(error)) from error
            raise
        return found

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        """Hand out a connection to the master of now."""
        await self.master.address()
        if isinstance(connection, _ToMaster) and connection.era != self.master.era:
            await connection.disconnect()
        await super().ensure_connection(connection)


class MasterClient(MeasuredRedis):
    """A client of the master. What certainly did nothing, or may run twice, waits for the next master."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Take what redis-py's client takes."""
        super().__init__(*arguments, **named)
        self.patience = Patience()
        self._where = Where(part=lambda: "master", probe=self._ping)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command."""
        execute = super().execute_command
        if not may_wait(args):
            return await execute(*args, **options)
        return await self.patience.run(
            lambda: execute(*args, **options), self._where, repeatable=is_repeatable(args)
        )

    async def execute_together(self, _key: str, *commands: Sequence[Any]) -> list[Any]:
        """Return the replies to commands that follow each other on one connection.

        An error in place of a reply is returned as such, but for the first: when a server that is no master
        any more refuses that one, all are sent again, to the next master.
        """

        async def attempt() -> list[Any]:
            async with super(MasterClient, self).pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                replies = list(await pipeline.execute(raise_on_error=False))
            if isinstance(replies[0], ReadOnlyError):
                raise replies[0]
            return replies

        return await self.patience.run(attempt, self._where, repeatable=is_repeatable(tuple(commands[0])))

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Return a pipeline that waits, too."""
        pipeline = _PatientPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.patience, pipeline.where = self.patience, self._where
        return pipeline

    async def confirm_master(self) -> None:
        """Ask the sentinels whether the master is still the one; they may not have told it yet."""
        pool = self.connection_pool
        if isinstance(pool, MasterPool):
            await pool.master.confirm()

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close every connection, those to the sentinels too."""
        await self.patience.aclose()
        await super().aclose(close_connection_pool)
        pool = self.connection_pool
        if isinstance(pool, MasterPool):
            await pool.master.aclose()

    async def _ping(self) -> None:
        # A new connection makes sure that it leads to a master.
        await super().execute_command("PING")


class _PatientPipeline(MeasuredPipeline):
    patience: Patience
    where: Where

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send all commands, and return their replies."""
        execute, commands = super().execute, list(self.command_stack)

        async def attempt() -> list[Any]:
            # redis-py forgets them when it has sent them.
            self.command_stack = list(commands)
            return await execute(raise_on_error)

        repeatable = all(is_repeatable(command) for command, _ in commands)
        return await self.patience.run(attempt, self.where, repeatable=repeatable)


def connect_to_master(address: StoreAddress) -> MasterClient:
    """Return a client of the master; it connects on first use."""
    tls: dict[str, Any] = dict(address.tls_options)
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        address.nodes,
        sentinel_kwargs={
            **options(),
            **tls,
            "ssl": address.tls,
            "retry": no_retry(),
            "username": address.sentinel_username,
            "password": address.sentinel_password,
        },
    )
    pool = MasterPool(
        Master(sentinels, address.service),
        connection_class=_TlsConnection if address.tls else _PlainConnection,
        max_connections=MAX_CONNECTIONS,
        timeout=POOL_WAIT_SECONDS,
        db=address.database,
        username=address.username,
        password=address.password,
        retry=no_retry(),
        **options(),
        **tls,
    )
    return cast(MasterClient, MasterClient.from_pool(pool))
