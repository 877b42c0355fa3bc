"""A failover in steps: the sentinels are told by hand, so that a test decides what happens between them."""

from typing import Any

from dev.local_replication import SERVICE, Replication
from shared.redis.client import connect
from tests.support.waiting import until


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


async def tell_sentinels(replication: Replication, *command: Any) -> None:
    hosts = replication.url.removeprefix("redis+sentinel://").partition("/")[0].split(",")
    for host in hosts:
        async with connect(f"redis://{host}/0") as sentinel:
            await sentinel.execute_command("SENTINEL", *command)


async def forget_master(replication: Replication) -> None:
    """Let the sentinels know of no master, so that they promote nobody."""
    await tell_sentinels(replication, "REMOVE", SERVICE)


async def lose_master(replication: Replication) -> None:
    """End the master; nobody promotes the replica."""
    with replication.client(0) as master, replication.client(1) as replica:
        written = master.info("replication")["master_repl_offset"]

        async def caught_up() -> bool:
            return bool(replica.info("replication")["slave_repl_offset"] >= written)

        await until(caught_up)
    await forget_master(replication)
    replication.kill()


async def promote(replication: Replication) -> None:
    """Make the replica the master, and let the sentinels know."""
    with replication.client(1) as replica:
        replica.replicaof("NO", "ONE")
    await tell_sentinels(replication, "MONITOR", SERVICE, "127.0.0.1", port_of(replication.servers[1].url), 2)


async def demote_master(replication: Replication) -> None:
    """Make the master a replica of its replica; it stays connected, and the sentinels know of no master."""
    await forget_master(replication)
    with replication.client(0) as master, replication.client(1) as replica:
        replica.replicaof("NO", "ONE")
        master.replicaof("127.0.0.1", str(port_of(replication.servers[1].url)))


async def replace_master(replication: Replication) -> None:
    """Make the replica the master; the old one is not told, and goes on as one."""
    await forget_master(replication)
    await promote(replication)
