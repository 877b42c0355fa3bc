"""The internet as far as documents of clients are on it: names, addresses, and what they answer."""

import asyncio
import json
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import httpcore

from auth_server.outbound.fetcher import DocumentFetcher
from auth_server.outbound.public_network import PublicNetwork

PUBLIC_ADDRESS = "93.184.216.34"
HANG = b"HANG"
"""A piece of an answer that never comes."""

Answer = Sequence[bytes] | Callable[[], Sequence[bytes]]


def answer(
    body: bytes | str, status: int = 200, content_type: str = "application/json", **headers: str
) -> list[bytes]:
    """Return an HTTP response in one piece."""
    data = body.encode() if isinstance(body, str) else body
    fields = {"Content-Type": content_type, "Content-Length": str(len(data))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return [f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + data]


class Internet(httpcore.AsyncNetworkBackend):
    """Hosts that answer as a test wants. Notes every connection and request."""

    def __init__(self) -> None:
        """Begin empty: every name has a public address, where nothing is found."""
        self.names: dict[str, list[Sequence[str] | OSError]] = {}
        self.answers: dict[str, Answer] = {}
        self.connected: list[str] = []
        self.requests: list[str] = []
        self.refused: set[str] = set()
        self.secure: list[str] = []
        self.hanging = asyncio.Event()
        self.released = asyncio.Event()

    def clear(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc]

    def publish(self, url: str, members: Mapping[str, Any], **headers: str) -> None:
        """Let a URL answer with a JSON document."""
        self.answers[url] = answer(json.dumps(members), **headers)

    def fetcher(self, *, seconds: float = 2.0) -> DocumentFetcher:
        """Return what fetches from here."""
        network = PublicNetwork(self.resolve, self)
        return DocumentFetcher(network, ssl.create_default_context(), seconds=seconds)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a name: each time the next ones, the last ones for ever."""
        found = self.names.get(host, [[PUBLIC_ADDRESS]])
        now = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(now, OSError):
            raise now
        return now

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to an address."""
        self.connected.append(host)
        if host in self.refused:
            raise httpcore.ConnectError("refused")
        return _Stream(self)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Fail: documents come from the network alone."""
        raise AssertionError(f"somebody connects to {path}")

    async def sleep(self, seconds: float) -> None:
        """Fail: a fetch that failed is not tried again."""
        raise AssertionError(f"somebody waits {seconds} s to try again")

    def answer_to(self, url: str) -> list[bytes]:
        """Return the pieces of an answer, and note the request."""
        self.requests.append(url)
        found = self.answers.get(url, answer("{}", 404))
        return list(found() if callable(found) else found)


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, internet: Internet) -> None:
        self._internet = internet
        self._sent = b""
        self._pieces: list[bytes] | None = None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._sent += buffer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._pieces is None:
            head = self._sent.decode().split("\r\n")
            host = next(line.split(": ", 1)[1] for line in head if line.lower().startswith("host: "))
            self._pieces = self._internet.answer_to(f"https://{host}{head[0].split()[1]}")
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if piece == HANG:
            self._internet.hanging.set()
            await self._internet.released.wait()
            return await self.read(max_bytes)
        if len(piece) > max_bytes:
            self._pieces.insert(0, piece[max_bytes:])
        return piece[:max_bytes]

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        assert ssl_context.check_hostname
        assert ssl_context.verify_mode is ssl.CERT_REQUIRED
        self._internet.secure.append(server_hostname or "")
        return self

    async def aclose(self) -> None:
        pass

    def get_extra_info(self, info: str) -> Any:
        return None
