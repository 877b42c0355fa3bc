"""Blob storage of the account (/v1/blob): bytes under a key."""

from typing import Final

from pydantic import TypeAdapter

from shared.valtown.endpoints.family import Family
from shared.valtown.models import BlobItem
from shared.valtown.transport import Call, RawBody

MAX_KEY_CHARACTERS: Final = 512
"""The longest key."""

_ITEMS: Final = TypeAdapter(list[BlobItem])


class Blobs(Family):
    """Blobs are global to the account: every val of it sees the same ones."""

    async def blobs(self, prefix: str = "") -> list[BlobItem]:
        """Return all blobs whose key begins with `prefix`; the API has no pages."""
        return await self._get(_ITEMS, Call("GET", "/v1/blob", query={"prefix": prefix or None}))

    async def blob(self, key: str) -> bytes:
        """Return the bytes under a key."""
        return (await self._send(Call("GET", "/v1/blob/{key}", {"key": key}))).body

    async def store_blob(self, key: str, content: bytes) -> None:
        """Store bytes under a key, in place of what is there."""
        await self._send(Call("POST", "/v1/blob/{key}", {"key": key}, body=RawBody(content)))

    async def delete_blob(self, key: str) -> None:
        """Delete what is under a key."""
        await self._send(Call("DELETE", "/v1/blob/{key}", {"key": key}))
