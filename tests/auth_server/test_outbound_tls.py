"""Documents come over TLS from a real socket: the certificate must be good, and for that name."""

import asyncio
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from auth_server.outbound.fetcher import (
    FETCH_SECONDS,
    DocumentFetcher,
    NoDocumentError,
    SlowError,
    UnavailableError,
)
from auth_server.outbound.public_network import PublicNetwork, SystemResolver
from tests.requirements import requirement
from tests.support.listening import listening
from tests.support.tls_site import tls_site

pytestmark = pytest.mark.anyio

HOST = "app.example.com"
BODY = json.dumps({"client_id": "x"}).encode()


class Redirected(httpcore.AsyncNetworkBackend):
    """Connects to this computer, whatever public address was meant."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await self._network.connect_tcp("127.0.0.1", self._port, timeout)


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a server for this name presents, and what trusts its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("93.184.216.34"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{name}.pem"
    pem.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=made.public_bytes(serialization.Encoding.DER))


def serving(context: ssl.SSLContext | None) -> AbstractContextManager[int]:
    """Serve the document; gives the port."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    return tls_site(head.encode() + BODY, context)


def fetcher(port: int, context: ssl.SSLContext, *, seconds: float = FETCH_SECONDS) -> DocumentFetcher:
    async def resolve(host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34"]

    return DocumentFetcher(PublicNetwork(resolve, Redirected(port)), context, seconds=seconds)


@requirement("C9")
async def test_a_good_certificate_for_the_name_is_needed(tmp_path: Path) -> None:
    ours, trusting = certificate(tmp_path, HOST)
    with serving(ours) as port:
        found = await fetcher(port, trusting).fetch(f"https://{HOST}/c.json", host=HOST, limit=5120)
        assert found.body == BODY
        with pytest.raises(UnavailableError):
            await fetcher(port, ssl.create_default_context()).fetch(
                f"https://{HOST}/c.json", host=HOST, limit=5120
            )
        other = "other.example.com"
        with pytest.raises(UnavailableError):
            await fetcher(port, trusting).fetch(f"https://{other}/c.json", host=other, limit=5120)
    with serving(None) as port, pytest.raises(UnavailableError):
        await fetcher(port, trusting).fetch(f"https://{HOST}/c.json", host=HOST, limit=5120)


async def test_a_host_that_says_nothing_keeps_no_connection(tmp_path: Path) -> None:
    _, trusting = certificate(tmp_path, HOST)
    closed = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()
        closed.set()

    async with listening(say_nothing) as port:
        with pytest.raises(SlowError):
            await fetcher(port, trusting, seconds=0.05).fetch(f"https://{HOST}/c.json", host=HOST, limit=5120)
        async with asyncio.timeout(5):
            await closed.wait()


@requirement("C9", "G143")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0x7f.1", "017700000001", "2130706433"])
async def test_the_real_network_does_not_reach_this_computer(host: str) -> None:
    connections = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    network = PublicNetwork(SystemResolver(), httpcore.AnyIOBackend())
    real = DocumentFetcher(network, ssl.create_default_context())
    # Even if such a spelling came this far: the address decides.
    with pytest.raises((NoDocumentError, UnavailableError)):
        await real.fetch(f"https://{host}:{port}/c.json", host=host, limit=5120)
    try:
        connections.append(listener.accept())
    except BlockingIOError:
        pass
    finally:
        listener.close()
    assert connections == []
