"""A cluster: redis-py's client, with waits and faults as everywhere else, and what it cannot do itself."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode, ClusterPipeline, PipelineCommand
from redis.asyncio.connection import Connection, SSLConnection
from redis.cluster import get_node_name
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import TimeoutError as StoreTimeoutError

from shared.redis.address import StoreAddress
from shared.redis.connections import MAX_CONNECTIONS, POOL_WAIT_SECONDS, no_retry, options
from shared.redis.measured import measured, operation_of
from shared.redis.patience import CrowdedError, Patience, Where, is_repeatable, may_wait
from shared.redis.unsent import unsent

_REDIRECTIONS: Final = 3
_NOT_SERVED: Final = (RedisClusterException, KeyError)
"""What redis-py raises where no node has a slot. By its tree that would be a bug of ours."""
_NOT_DONE: Final = (ClusterDownError, ReadOnlyError, TryAgainError)


class ClusterClient(RedisCluster):
    """A client of every node. A slot whose node is away is a fault of the store like any other."""

    def __init__(self, address: StoreAddress) -> None:
        """Take where some of the nodes are; it connects on first use."""
        self.address = address
        self._shards: dict[tuple[str, int], frozenset[int]] = {}
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)
        self.patience = Patience()
        tls: dict[str, Any] = dict(address.tls_options)
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in address.nodes],
            # The nodes of the URL are asked again, so that their names may lead elsewhere one day.
            dynamic_startup_nodes=False,
            require_full_coverage=False,
            # Commands wait for a turn; pipelines need none.
            max_connections=2 * MAX_CONNECTIONS,
            username=address.username,
            password=address.password,
            ssl=address.tls,
            retry=no_retry(),
            **options(),
            **tls,
        )

    async def initialize(self, *arguments: Any, **named: Any) -> "ClusterClient":
        """Learn where the slots are."""
        try:
            await super().initialize(*arguments, **named)
        except RedisClusterException as error:
            raise unsent(StoreConnectionError(str(error))) from error
        return self

    async def aclose(self) -> None:
        """Close every connection."""
        await self.patience.aclose()
        # redis-py closes none while it means to learn the slots anew.
        self._initialize = False
        await super().aclose()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command where its key is; it may wait until another node has it."""
        execute, key = super().execute_command, _key_of(args)

        async def attempt() -> Any:
            try:
                with measured(operation_of(args)):
                    async with self._turn():
                        return await execute(*args, **options)
            except _NOT_SERVED as error:
                raise self._not_served(error) from error

        if key is None or not may_wait(args):
            return await attempt()
        return await self.patience.run(attempt, self._where(key), repeatable=is_repeatable(args))

    @property
    def is_saturated(self) -> bool:
        """Whether one more command would wait for its turn."""
        return self._turns.locked()

    async def execute_together(self, key: str, *commands: Sequence[Any]) -> list[Any]:
        """Return the replies to commands that follow each other on one connection, to the node of a key.

        An error in place of a reply is returned as such. All are sent again when the first is sent elsewhere,
        or when its node is away.
        """
        repeatable = is_repeatable(tuple(commands[0]))
        return await self.patience.run(
            lambda: self._together(key, commands), self._where(key), repeatable=repeatable
        )

    async def _together(self, key: str, commands: Sequence[Sequence[Any]]) -> list[Any]:
        if self._initialize:
            await self.initialize()
        node, asking = self._node_of(key), False
        for _ in range(_REDIRECTIONS):
            async with self._turn():
                replies = await self._send(node, commands, asking=asking)
            if isinstance(replies[0], _NOT_DONE):
                raise replies[0]
            if not isinstance(replies[0], AskError):
                return replies
            node, asking = await self._redirected(replies[0])
        raise StoreConnectionError("sent from node to node")

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> ClusterPipeline:
        """Return a pipeline; without a transaction its keys may be anywhere."""
        # redis-py declares as abstract what it sets later.
        return _Pipeline(self, transaction)  # type: ignore[abstract]

    def slot_of(self, key: str) -> int:
        """Return the hash slot of a key."""
        return int(key_slot(key.encode()))

    async def shards(self) -> dict[tuple[str, int], frozenset[int]]:
        """Return the address of every primary with its slots, as one of the nodes says now."""
        if self._initialize:
            await self.initialize()
        # Not by `initialize`: it makes every connection a new one.
        asked, ranges = await self._slot_ranges()
        found: dict[tuple[str, int], set[int]] = {}
        for first, last, (host, port, *_), *_replicas in ranges:
            # A node that does not know its own name leaves it out.
            found.setdefault((host or asked, int(port)), set()).update(range(first, last + 1))
        shards = {node: frozenset(slots) for node, slots in found.items()}
        if self._shards != shards:
            self._initialize = bool(self._shards)
            self._shards = shards
        return shards

    async def _slot_ranges(self) -> tuple[str, Sequence[Any]]:
        reasons = []
        for node in self.get_nodes():
            try:
                return str(node.host), await node.execute_command("CLUSTER SLOTS")
            except (RedisError, OSError) as error:
                reasons.append(f"{node.name}: {error}")
        raise StoreConnectionError(f"no node of the cluster answers: {', '.join(reasons)}")

    def client_of(self, host: str, port: int) -> Redis:
        """Return a client of one node, with a few connections of its own."""
        tls: dict[str, Any] = dict(self.address.tls_options)
        pool = BlockingConnectionPool(
            connection_class=SSLConnection if self.address.tls else Connection,
            host=host,
            port=port,
            max_connections=4,
            timeout=POOL_WAIT_SECONDS,
            username=self.address.username,
            password=self.address.password,
            retry=no_retry(),
            **options(),
            **tls,
        )
        return Redis.from_pool(pool)

    def _node_of(self, key: str) -> ClusterNode:
        try:
            node = self.nodes_manager.get_node_from_slot(self.slot_of(key))
        except _NOT_SERVED as error:
            raise self._not_served(error) from error
        return node

    def _not_served(self, error: Exception) -> StoreConnectionError:
        # Next time the nodes are asked anew.
        self._initialize = True
        return unsent(StoreConnectionError(f"a hash slot is not served: {error}"))

    def _where(self, key: str) -> Where:
        return Where(part=lambda: self._name_of(key), probe=lambda: self._is_served(key))

    def _name_of(self, key: str) -> str:
        """Return the name of the node that a key is believed to be at, "" when there is none."""
        try:
            return str(self.nodes_manager.get_node_from_slot(self.slot_of(key)).name)
        except _NOT_SERVED:
            return ""

    async def _is_served(self, key: str) -> None:
        """Return when the key has a node that answers, and may be another one than is believed.

        Raises:
            StoreError: it has none.
        """
        slot = self.slot_of(key)
        owners = [get_node_name(*at) for at, slots in (await self.shards()).items() if slot in slots]
        if not owners:
            raise StoreConnectionError("a hash slot is not served")
        if owners[0] != self._name_of(key):
            self._initialize = True
            return
        try:
            await self.nodes_manager.nodes_cache[owners[0]].execute_command("EXISTS", key)
        except MovedError:
            self._initialize = True

    async def _execute_command(self, target_node: ClusterNode, *args: Any, **options: Any) -> Any:
        # In place of redis-py's, which sends ASKING on one connection and the command on another, and closes
        # all connections to all nodes when one slot is not served.
        node, asking = target_node, False
        for _ in range(_REDIRECTIONS):
            (reply,) = await self._send(node, (args,), asking=asking, options=options)
            if isinstance(reply, ClusterDownError):
                self._initialize = True
            if not isinstance(reply, AskError):
                if isinstance(reply, Exception):
                    raise reply
                return reply
            node, asking = await self._redirected(reply)
        raise StoreConnectionError("sent from node to node")

    async def _send(
        self,
        node: ClusterNode,
        commands: Sequence[Sequence[Any]],
        *,
        asking: bool,
        options: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """Return the replies of one node, on one connection; errors that it answers among them."""
        every = (("ASKING",), *commands) if asking else commands
        queue = [PipelineCommand(number, *each) for number, each in enumerate(every)]
        queue[-1].kwargs.update(options or {})
        try:
            await node.execute_pipeline(queue)
            for each in queue:
                if isinstance(each.result, (StoreConnectionError, StoreTimeoutError)):
                    raise each.result
        except (StoreConnectionError, StoreTimeoutError, OSError):
            node.update_active_connections_for_reconnect()
            await node.disconnect_free_connections()
            self._initialize = True
            raise
        return [each.result for each in queue][1 if asking else 0 :]

    async def _redirected(self, answer: AskError) -> tuple[ClusterNode, bool]:
        """Return the node that a command is sent to instead, and whether it is only to be asked."""
        # By redis-py's tree a MovedError, for good, is an AskError, for this one command.
        asking = not isinstance(answer, MovedError)
        if isinstance(answer, MovedError):
            await self.nodes_manager.move_slot(answer)
        known = self.nodes_manager.nodes_cache
        name = get_node_name(answer.host, answer.port)
        if name not in known:
            self._initialize = True
            await self.initialize()
        if name not in known:
            raise StoreConnectionError("sent to a node that the cluster does not tell of")
        return known[name], asking

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(POOL_WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise CrowdedError("No connection available.") from None
        try:
            yield
        finally:
            self._turns.release()


def _key_of(command: tuple[Any, ...]) -> str | None:
    """Return the first key of a command, None when it has none."""
    if str(command[0]).upper() in ("EVALSHA", "EVAL"):
        return str(command[3]) if int(command[2]) else None
    return str(command[1]) if len(command) > 1 else None


def as_cluster(redis: Redis) -> ClusterClient | None:
    """Return a store's client as what it is, if the store is a cluster."""
    # Redis and RedisCluster have no common type, and `connect` promises the first.
    client: object = redis
    return client if isinstance(client, ClusterClient) else None


class _Pipeline(ClusterPipeline):
    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        """Execute the commands, each where its key is."""
        try:
            return list(await super().execute(raise_on_error, allow_redirections))
        except _NOT_SERVED as error:
            self.cluster_client._initialize = True
            raise StoreConnectionError(f"a hash slot is not served: {error}") from error
