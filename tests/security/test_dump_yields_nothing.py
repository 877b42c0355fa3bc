"""A copy of the store and the source of this project open nothing (RFC 6749 section 10)."""

import base64
import json
import zlib
from collections.abc import AsyncIterator

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from redis.asyncio import Redis

from auth_server.domain import generate
from shared import sealing
from shared.sealing import from_base64url
from tests.auth_server.deployment import ADA
from tests.requirements import requirement
from tests.security.deployment import Deployment
from tests.security.dump import Dump, keys_from, take_dump
from tests.security.flows import Story, live_through
from tests.security.presentations import presentations

pytestmark = pytest.mark.anyio


@pytest.fixture
async def raw(redis_url: str, redis: Redis, anyio_backend: str) -> AsyncIterator[Redis]:
    """Return a client that reads bytes."""
    async with Redis.from_url(redis_url) as client:
        yield client


def written_as(secret: str) -> dict[str, bytes]:
    """Return ways to leave a secret readable."""
    data = secret.encode()
    return {
        "as it is": data,
        "inside a text": b"x" + data + b"y",
        "base64": base64.b64encode(data),
        "base64url": base64.urlsafe_b64encode(b"##" + data),
        "hex": data.hex().encode(),
        "compressed": zlib.compress(data),
        "JSON": json.dumps({"value": base64.b64encode(data).decode()}).encode(),
        "in a dotted value": b"v1.00000000." + base64.urlsafe_b64encode(data).rstrip(b"="),
        "backwards": data[::-1],
    }


@pytest.mark.parametrize("way", written_as(""))
def test_the_search_finds_a_secret_however_it_is_written(way: str) -> None:
    kept = written_as("vtr_Zo0-secret_of_somebody")[way]
    for record in ({b"vt:x": [b"field", kept]}, {b"vt:" + kept: [b""]}):
        if way != "compressed" or b"vt:x" in record:
            assert Dump(record).holds("vtr_Zo0-secret_of_somebody")
    assert not Dump({b"vt:x": [kept]}).holds("vtr_Zo0-secret_of_another")


@requirement("L228")
async def test_no_secret_stands_in_a_copy_of_the_store(deployment: Deployment, raw: Redis) -> None:
    story = await live_through(deployment)
    dump = await take_dump(raw)
    assert [name for name, secret in story.secrets.items() if dump.holds(secret)] == []
    assert len(story.secrets) > 60
    # The search works on this very store: what is kept of a secret is its hash.
    for name in ("waiting code", "second refresh token", "confidential client_secret"):
        assert dump.holds(generate.digest(str(story.secrets[name])))


@requirement("L228")
@pytest.mark.parametrize(
    "name", ["second refresh token", "waiting code", "ada", "line 12 of the PEM", "MAC key"]
)
async def test_one_secret_kept_in_the_clear_would_be_found(
    deployment: Deployment, raw: Redis, name: str
) -> None:
    story = await live_through(deployment)
    secret = story.secrets[name]
    value = secret.encode() if isinstance(secret, str) else secret
    await raw.hset("vt:client:somebody", "note", base64.b64encode(value))
    assert name in [known for known, secret in story.secrets.items() if (await take_dump(raw)).holds(secret)]


@requirement("L228")
async def test_nothing_in_a_copy_of_the_store_is_taken_for_a_credential(
    deployment: Deployment, raw: Redis
) -> None:
    story = await live_through(deployment)
    dump = await take_dump(raw)
    texts = [text for text in dump.candidates() if text.isascii() and text.isprintable()]
    assert len(texts) > 100
    for name, present in presentations(deployment, story, dump).items():
        taken = [text for text in texts if await present(text)]
        assert taken == [], name
    await what_is_real_is_taken(deployment, story, dump)


async def what_is_real_is_taken(deployment: Deployment, story: Story, dump: Dump) -> None:
    """Check that the presentations would notice, and that none of them did any harm."""
    ways = presentations(deployment, story, dump)
    real = {
        "access token": story.tokens["access_token"],
        "refresh token": story.public_tokens["refresh_token"],
        "client secret": story.confidential.client_secret or "",
        "session cookie": str(story.secrets["waiting page __Host-vt_session"]),
        "pasted api token": ADA,
        "api token in the header": ADA,
    }
    assert [name for name, value in real.items() if not await ways[name](value)] == []
    assert (await story.confidential.refresh(story.tokens["refresh_token"])).status_code == 200


@requirement("L228")
async def test_nothing_in_a_copy_of_the_store_is_a_key_to_what_is_sealed_in_it(
    deployment: Deployment, raw: Redis
) -> None:
    story = await live_through(deployment)
    dump = await take_dump(raw)
    ciphertexts = dump.ciphertexts()
    # At least: credentials of two grants and two sessions, an answer in its grace, a signing key, the check.
    assert len(ciphertexts) >= 7
    keys = {key for text in dump.candidates() for key in keys_from(text)}
    assert [sealed for sealed in ciphertexts for key in keys if opens(sealed, key, dump)] == []
    # The right keys do open them, so the attempts are well made.
    right = [deployment.auth.settings.encryption_key]
    right += [
        sealing.Sealer.key_from(str(value)) for name, value in story.secrets.items() if "refresh" in name
    ]
    assert [sealed for sealed in ciphertexts if not any(opens(sealed, key, dump) for key in right)] == []


def opens(sealed: str, key: bytes, dump: Dump) -> bool:
    """Return whether a key opens a ciphertext, under any owner and purpose that the dump allows."""
    _, kid, nonce, ciphertext = sealed.split(".")
    for purpose, owner in owners(sealed, dump):
        context = sealing._context(kid, purpose, owner)
        try:
            AESGCM(sealing._subkey(key, purpose, owner)).decrypt(
                from_base64url(nonce), from_base64url(ciphertext), context
            )
        except InvalidTag:
            continue
        return True
    return False


def owners(sealed: str, dump: Dump) -> list[tuple[str, tuple[str, ...]]]:
    """Return the purpose and owner that the source gives to a value, from where it stands in the dump."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for key, parts in dump.records.items():
        if sealed.encode() not in parts:
            continue
        name = key.decode()
        before = parts[parts.index(sealed.encode()) - 1].decode()
        grant_id = name.removeprefix("vt:{").partition("}")[0]
        grant = dump.records.get(f"vt:{{{grant_id}}}:grant".encode(), [])
        members = dict(zip(grant[::2], grant[1::2], strict=True))
        subject, client = (members.get(member, b"").decode() for member in (b"subject", b"client"))
        found += [
            ("val-town-credential", (grant_id, subject, client)),
            ("refresh-response", (grant_id,)),
            ("session-credential", (name.rpartition(":")[2],)),
            ("signing-key", (before,)),
            ("key-check", (before,)),
        ]
    return found
