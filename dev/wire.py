"""One kept connection to the token endpoint, with as little of HTTP as that takes: for loads and races."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit


class Wire:
    """A connection that is open before it is used, so that requests of many really start together."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the URL of the endpoint and an open connection."""
        parts = urlsplit(url)
        self._reader, self._writer = reader, writer
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
        )

    @classmethod
    async def open(cls, url: str) -> "Wire":
        """Connect."""
        parts = urlsplit(url)
        return cls(url, *await asyncio.open_connection(parts.hostname, parts.port))

    async def ask(self, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Send a form; return the status and the JSON answer."""
        self.send(form)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        answer: dict[str, Any] = json.loads(await self._reader.readexactly(length))
        return int(head.split(" ", 2)[1]), answer

    def send(self, form: Mapping[str, str]) -> None:
        """Send a form and do not wait."""
        body = urlencode(form)
        self._writer.write(f"{self._head}{len(body)}\r\n\r\n{body}".encode("ascii"))

    async def vanish(self, form: Mapping[str, str]) -> None:
        """Send a form and hang up before the answer."""
        self.send(form)
        await self._writer.drain()
        self._writer.transport.abort()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
