"""A copy of the whole store, as a thief has it, and what a thief does with it."""

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from redis.asyncio import Redis

from shared.sealing import KEY_BYTES, Sealer

_SEPARATORS = re.compile(r"[.:{}\s\"',\[\]]+")


@dataclass(frozen=True)
class Dump:
    """Every key of a store and everything in it."""

    records: dict[bytes, list[bytes]]

    def everything(self) -> list[bytes]:
        """Return every name and every value."""
        return [part for key, parts in self.records.items() for part in (key, *parts)]

    def candidates(self) -> list[str]:
        """Return every text in it, whole and in its parts: anything that might be a secret or hide one."""
        found: dict[str, None] = {}
        for blob in self.everything():
            text = blob.decode("latin-1")
            for part in (text, *_SEPARATORS.split(text)):
                if part:
                    found[part] = None
        return list(found)

    def ciphertexts(self) -> list[str]:
        """Return everything that was sealed."""
        return [text for text in self.candidates() if re.fullmatch(r"v1\.[0-9a-f]{8}\.[\w-]+\.[\w-]+", text)]

    def holds(self, secret: str | bytes) -> bool:
        """Return whether a secret stands in it: as it is, encoded, or inside what can be decoded."""
        raw = secret.encode() if isinstance(secret, str) else secret
        spellings = {raw, *_encodings(raw)}
        return any(spelling in blob for blob in self._unfolded() for spelling in spellings)

    def _unfolded(self) -> list[bytes]:
        blobs = [*self.everything(), *(text.encode("latin-1") for text in self.candidates())]
        return [found for blob in blobs for found in _unfold(blob, depth=3)]


def _encodings(raw: bytes) -> Iterator[bytes]:
    for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw), base64.b32encode(raw)):
        yield encoded.rstrip(b"=")
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield raw[::-1]
    yield json.dumps(raw.decode("latin-1"))[1:-1].encode()


def _unfold(blob: bytes, depth: int) -> Iterator[bytes]:
    yield blob
    if depth == 0:
        return
    for decode in _DECODERS:
        with suppress(ValueError, zlib.error, binascii.Error):
            decoded = decode(blob)
            if len(decoded) >= 8 and decoded != blob:
                yield from _unfold(decoded, depth - 1)


def _base64(blob: bytes) -> bytes:
    padded = blob.rstrip(b"=") + b"=" * (-len(blob.rstrip(b"=")) % 4)
    return base64.b64decode(padded.translate(bytes.maketrans(b"-_", b"+/")), validate=True)


def _json(blob: bytes) -> bytes:
    return json.dumps(json.loads(blob), ensure_ascii=False).encode()


_DECODERS: tuple[Callable[[bytes], bytes], ...] = (
    _base64,
    lambda blob: binascii.unhexlify(blob),
    lambda blob: base64.b32decode(blob),
    lambda blob: zlib.decompress(blob),
    _json,
)


def keys_from(text: str) -> Iterator[bytes]:
    """Yield every encryption key that somebody could make of a text in the dump."""
    raw = text.encode("latin-1")
    yield hashlib.sha256(raw).digest()
    yield Sealer.key_from(text)
    for found in _unfold(raw, depth=1):
        if len(found) == KEY_BYTES:
            yield found
            yield Sealer(found).derive("refresh-token")


async def take_dump(raw: Redis) -> Dump:
    """Return everything in the store, read by a client that does not decode.

    Raises:
        AssertionError: there is a type of value that it cannot read.
    """
    records = {}
    async for key in raw.scan_iter(count=1000):
        records[key] = await _read(raw, key)
    return Dump(records)


async def _read(raw: Redis, key: bytes) -> list[bytes]:
    kind = await raw.type(key)
    if kind == b"string":
        return [await raw.get(key) or b""]
    if kind == b"hash":
        return [part for pair in (await raw.hgetall(key)).items() for part in pair]
    if kind == b"zset":
        return list(await raw.zrange(key, 0, -1))
    if kind == b"set":
        return list(await raw.smembers(key))
    if kind == b"list":
        return list(await raw.lrange(key, 0, -1))
    if kind == b"stream":
        entries = await raw.xrange(key)
        return [part for _, pairs in entries for pair in pairs.items() for part in pair]
    raise AssertionError(f"{key!r} is a {kind!r}: read it here too")
