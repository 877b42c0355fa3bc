"""The load of the token endpoint: chains of requests, each made from the answer before.

A process of its own on the load core, `python -m dev.bench.token_load <seconds>`: takes the chains as JSON on
standard input; prints how many answers a second came, as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit


async def refresh_chain(url: str, form: Mapping[str, str], until: float) -> int:
    """Refresh again and again, each time with the newest token; return how often it worked."""
    wire = await Wire.open(url)
    form = dict(form)
    done = 0
    while time.perf_counter() < until:
        form["refresh_token"] = (await wire.post(form))["refresh_token"]
        done += 1
    wire.close()
    return done


async def redeem_all(url: str, forms: list[Mapping[str, str]]) -> int:
    """Redeem codes one after the other; return how many."""
    wire = await Wire.open(url)
    for form in forms:
        await wire.post(form)
    wire.close()
    return len(forms)


class Wire:
    """One kept connection to the token endpoint; as little of HTTP as that takes."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the URL and an open connection."""
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

    async def post(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Send a form and return the JSON answer.

        Raises:
            RuntimeError: it was not 200.
        """
        body = urlencode(form)
        self._writer.write(f"{self._head}{len(body)}\r\n\r\n{body}".encode("ascii"))
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        answer: dict[str, Any] = json.loads(await self._reader.readexactly(length))
        if " 200 " not in head.split("\r\n")[0]:
            raise RuntimeError(f"{head.splitlines()[0]} {answer}")
        return answer

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def main(seconds: float, work: Mapping[str, Any]) -> None:
    """Run all chains at once and print the rate."""
    began = time.perf_counter()
    if "refresh" in work:
        chains = [refresh_chain(work["url"], form, began + seconds) for form in work["refresh"]]
    else:
        chains = [redeem_all(work["url"], forms) for forms in work["redeem"]]
    done = sum(await asyncio.gather(*chains))
    print(json.dumps({"rate": done / (time.perf_counter() - began)}))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), json.load(sys.stdin)))
