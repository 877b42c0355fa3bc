"""A master with replicas and Sentinels, or a cluster, on this machine: for trials of high availability.

Every server is one of `dev.local_store`, on a free port of 127.0.0.1, with nothing kept on disk.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from dev.local_store import Binary, CannotStartError, Running, client_of, serve
from dev.processes import Child, free_port, start, stop

SERVICE: Final = "mymaster"
SLOTS: Final = 16384
_START_SECONDS: Final = 20.0
_QUICK: Final = {
    "repl-diskless-sync": "yes",
    "repl-diskless-sync-delay": "0",
    "repl-ping-replica-period": "1",
}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What servers prove who they are with, and what their clients check it by: PEM files."""

    authority: Path
    certificate: Path
    key: Path

    def options(self, port: int) -> Mapping[str, str]:
        """Return what a server is started with to take TLS connections at a port, of its own kind too."""
        return {
            "tls-port": str(port),
            "tls-cert-file": str(self.certificate),
            "tls-key-file": str(self.key),
            "tls-ca-cert-file": str(self.authority),
            "tls-auth-clients": "no",
            "tls-replication": "yes",
        }


@dataclass(frozen=True, slots=True)
class Replication:
    """A master, its replicas and the sentinels that watch them.

    Attributes:
        url: a REDIS_URL.
        servers: the one that was the master at first comes first.
    """

    url: str
    servers: Sequence[Running]
    sentinels: Sequence[Child]

    def client(self, number: int = 0) -> Redis:
        """Return a client of one server."""
        return client_of(self.servers[number].url)

    def kill(self, number: int = 0) -> None:
        """End one server without a chance to say anything."""
        self.servers[number].child.process.kill()
        self.servers[number].child.process.wait()

    def signal(self, what: int, number: int = 0) -> None:
        """Send one server a signal."""
        self.servers[number].child.process.send_signal(what)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster: a REDIS_URL, and its nodes, primaries first."""

    url: str
    servers: Sequence[Running]
    primaries: int
    slots: Mapping[int, range] = field(default_factory=dict)

    def client(self, number: int) -> Redis:
        """Return a client of one node."""
        return client_of(self.servers[number].url)

    def kill(self, number: int) -> None:
        """End one node without a chance to say anything."""
        self.servers[number].child.process.kill()
        self.servers[number].child.process.wait()


@contextmanager
def serve_replication(
    binary: Binary,
    folder: Path,
    *,
    replicas: int = 1,
    sentinels: int = 3,
    down_after_ms: int = 1000,
    tls: TlsFiles | None = None,
) -> Iterator[Replication]:
    """Serve a master and replicas that have caught up; without sentinels nobody promotes one.

    With TLS the URL leads to ports that speak nothing else; servers and sentinels use it among themselves.

    Raises:
        CannotStartError: one of them does not start, or cannot run as a sentinel.
    """
    with ExitStack() as stack:
        encrypted = {} if tls is None else tls.options(free_port())
        master = stack.enter_context(
            serve(binary, folder / "0", persist=False, options={**_QUICK, **encrypted})
        )
        port = int(encrypted.get("tls-port", _port(master)))
        servers = [master]
        for number in range(1, replicas + 1):
            encrypted = {} if tls is None else tls.options(free_port())
            options = {**_QUICK, **encrypted, "replicaof": f"127.0.0.1 {port}"}
            servers.append(
                stack.enter_context(serve(binary, folder / str(number), persist=False, options=options))
            )
        _wait("replicas", lambda: all(_linked(server) for server in servers[1:]))
        watching = [
            _start_sentinel(
                binary, folder / f"sentinel-{number}", port, sentinels // 2 + 1, down_after_ms, tls
            )
            for number in range(sentinels)
        ]
        stack.callback(stop, [child for child, _, _ in watching])
        _wait("sentinels", lambda: all(_watches(each, replicas, sentinels) for _, each, _ in watching))
        hosts = ",".join(f"127.0.0.1:{each}" for _, _, each in watching)
        url = f"redis+sentinel://{hosts}/{SERVICE}/0" if watching else master.url
        yield Replication(_with_tls(url, tls), servers, [child for child, _, _ in watching])


@contextmanager
def serve_cluster(
    binary: Binary,
    folder: Path,
    *,
    primaries: int = 3,
    replicas: int = 0,
    node_timeout_ms: int = 1000,
    tls: TlsFiles | None = None,
) -> Iterator[Cluster]:
    """Serve a cluster in which every slot has a node; `replicas` for each primary.

    Raises:
        CannotStartError: one of them does not start, or cannot run in a cluster.
    """
    options = {
        **_QUICK,
        "cluster-enabled": "yes",
        "cluster-node-timeout": str(node_timeout_ms),
        "cluster-require-full-coverage": "no",
    }
    with ExitStack() as stack:
        servers, bus, ports = [], [], []
        for number in range(primaries * (1 + replicas)):
            bus.append(free_port())
            more = {**options, "cluster-port": str(bus[-1])}
            if tls is not None:
                ports.append(free_port())
                more |= {**tls.options(ports[-1]), "tls-cluster": "yes"}
            server = serve(binary, folder / str(number), persist=False, options=more)
            servers.append(stack.enter_context(server))
        slots = {number: _share(number, primaries) for number in range(primaries)}
        _join(servers, bus, slots)
        for number in range(primaries, len(servers)):
            _replicate(servers[number], servers[number % primaries])
        _wait("cluster", lambda: all(_is_whole(server, len(servers)) for server in servers))
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports or map(_port, servers))
        yield Cluster(_with_tls(f"redis+cluster://{hosts}", tls), servers, primaries, slots)


def _start_sentinel(
    binary: Binary,
    folder: Path,
    master_port: int,
    quorum: int,
    down_after_ms: int,
    tls: TlsFiles | None,
) -> tuple[Child, int, int]:
    """Return a sentinel, its plain port, and the one for clients."""
    folder.mkdir(parents=True)
    port = free_port()
    encrypted = {} if tls is None else tls.options(free_port())
    configuration = folder / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
        f"sentinel monitor {SERVICE} 127.0.0.1 {master_port} {quorum}\n"
        f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}\n"
        f"sentinel failover-timeout {SERVICE} 4000\n"
        + "".join(f"{name} {value}\n" for name, value in encrypted.items()),
        encoding="utf-8",
    )
    command = [str(binary.path), str(configuration), "--sentinel"]
    child = start("sentinel", command, folder / "sentinel.log")
    return child, port, int(encrypted.get("tls-port", port))


def _with_tls(url: str, tls: TlsFiles | None) -> str:
    return url if tls is None else f"{url.replace('redis', 'rediss', 1)}?ssl_ca_certs={tls.authority}"


def _port(server: Running) -> int:
    return int(server.url.rpartition(":")[2].partition("/")[0])


def _linked(server: Running) -> bool:
    with client_of(server.url) as client:
        described: Mapping[str, Any] = client.info("replication")
        return described.get("master_link_status") == "up"


def _watches(port: int, replicas: int, sentinels: int) -> bool:
    with client_of(f"redis://127.0.0.1:{port}/0") as client:
        master: Mapping[str, Any] = client.sentinel_master(SERVICE)
        return bool(master["num-slaves"] == replicas and master["num-other-sentinels"] == sentinels - 1)


def _share(number: int, primaries: int) -> range:
    return range(SLOTS * number // primaries, SLOTS * (number + 1) // primaries)


def _join(servers: Sequence[Running], bus: Sequence[int], slots: Mapping[int, range]) -> None:
    for number, share in slots.items():
        with client_of(servers[number].url) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", share.start, share.stop - 1)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    with client_of(servers[0].url) as client:
        for server, bus_port in zip(servers[1:], bus[1:], strict=True):
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", _port(server), bus_port)
    _wait("nodes", lambda: all(_knows(server, len(servers)) for server in servers))


def _replicate(replica: Running, primary: Running) -> None:
    with client_of(primary.url) as client:
        node_id = client.execute_command("CLUSTER", "MYID")
    with client_of(replica.url) as client:
        client.execute_command("CLUSTER", "REPLICATE", node_id)
    _wait("replica", lambda: _linked(replica))


def _knows(server: Running, nodes: int) -> bool:
    return _cluster_info(server)["cluster_known_nodes"] == str(nodes)


def _is_whole(server: Running, nodes: int) -> bool:
    described = _cluster_info(server)
    return described["cluster_state"] == "ok" and described["cluster_slots_ok"] == str(SLOTS)


def _cluster_info(server: Running) -> Mapping[str, str]:
    with client_of(server.url) as client:
        answer = client.execute_command("CLUSTER INFO")
    if isinstance(answer, Mapping):
        return answer
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _wait(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            if condition():
                return
        except (RedisError, KeyError):
            pass
        if time.monotonic() > deadline:
            raise CannotStartError(f"{what}: not ready within {_START_SECONDS:g} s")
        time.sleep(0.02)
