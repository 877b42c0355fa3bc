"""Connections to the public internet alone: the address that was judged is the one that is connected to."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpcore

from auth_server.outbound.addresses import is_public
from shared.logs import get_logger

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Takes host and port, returns IP addresses; raises OSError when there are none."""

MAX_ADDRESSES = 2
"""How many addresses of a host are tried."""

_log = get_logger("oauth:outbound")


class NotPublicError(httpcore.ConnectError):
    """The host is not on the public internet, so nothing was connected to."""


class SystemResolver:
    """The system's name resolution, in threads of its own.

    Whoever names a host may also run its name server, and let it wait. The threads that resolve everybody
    else's names must not be used up by that.
    """

    def __init__(self) -> None:
        """Make the threads; they start when they are needed."""
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="client-documents-dns")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a host."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _look_up(host: str, port: int) -> list[tuple[object, object, object, object, tuple[object, ...]]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class PublicNetwork(httpcore.AsyncNetworkBackend):
    """Connects to hosts all of whose addresses are public, and to the very addresses that were judged.

    Resolving once is the defence against a name that changes between check and use. One address that is not
    public spoils them all: no honest name has both kinds.
    """

    def __init__(self, resolve: Resolve, network: httpcore.AsyncNetworkBackend) -> None:
        """Take the name resolution, and the network that connects to addresses."""
        self._resolve = resolve
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host.

        Raises:
            NotPublicError: an address of it is not public, or it has none.
            httpcore.ConnectError: none of its addresses answers.
            httpcore.ConnectTimeout: as above.
        """
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} has no address: {error}") from None
        if not addresses or not all(is_public(address) for address in addresses):
            _log.warning("a host is not public", host=host, addresses=list(addresses)[:8])
            raise NotPublicError(f"{host} is not on the public internet")
        return await self._first(addresses[:MAX_ADDRESSES], port, timeout)

    async def _first(
        self, addresses: Sequence[str], port: int, timeout: float | None
    ) -> httpcore.AsyncNetworkStream:
        *others, last = addresses
        for address in others:
            try:
                return await self._network.connect_tcp(address, port, timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(last, port, timeout)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: nothing public is there."""
        raise NotPublicError("no socket of this computer is public")

    async def sleep(self, seconds: float) -> None:
        """Wait, as the contract wants."""
        await self._network.sleep(seconds)
