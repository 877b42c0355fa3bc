"""What this server fetches from its authorization server, within bounds (RFC 8414; RFC 9728 section 7.7)."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx

from shared import strict_json, tracing
from shared.clock import Clock
from shared.logs import get_logger

FETCH_SECONDS: Final = 2.0
MAX_DOCUMENT_BYTES: Final = 64 * 1024
METADATA_SECONDS: Final = 300.0
"""How long the issuer's metadata are passed on before they are read again."""

RETRY_SECONDS: Final = 5.0
"""How long nobody asks again after the issuer did not answer."""

# Not compressed, so that the bytes read are the bytes kept.
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}

_log = get_logger("mcp:issuer")


class IssuerUnavailableError(Exception):
    """The authorization server did not give a usable document, and none is kept from before."""


async def fetch_document(http: httpx.AsyncClient, url: str) -> bytes:
    """Return the body of a document of the issuer: 200, at most 64 KiB, within 2 s; no redirect is followed.

    Raises:
        IssuerUnavailableError: in every other case.
    """
    try:
        with tracing.client_span(f"GET {urlsplit(url).path}") as context:
            return await _fetch(http, url, {**_HEADERS, **context})
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        raise IssuerUnavailableError(f"{url}: {type(error).__name__}") from None


async def _fetch(http: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> bytes:
    async with (
        asyncio.timeout(FETCH_SECONDS),
        http.stream("GET", url, headers=headers, follow_redirects=False) as response,
    ):
        if response.status_code != 200 or "content-encoding" in response.headers:
            raise IssuerUnavailableError(f"{url} answered {response.status_code}, or compressed")
        return await _read(response)


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_DOCUMENT_BYTES:
            raise IssuerUnavailableError(f"{response.url} sent more than {MAX_DOCUMENT_BYTES} bytes")
    return bytes(body)


def metadata_url(issuer: str, internal_url: str | None) -> str:
    """Return where the issuer's metadata are: the well-known path goes first (RFC 8414 section 3.1)."""
    parts = urlsplit(issuer)
    origin = internal_url or f"{parts.scheme}://{parts.netloc}"
    return f"{origin}/.well-known/oauth-authorization-server{parts.path}"


class IssuerMetadata:
    """The issuer's metadata, byte for byte, for clients that look for them here (MCP 2025-03-26)."""

    def __init__(
        self, http: httpx.AsyncClient, clock: Clock, *, issuer: str, internal_url: str | None
    ) -> None:
        """Take the HTTP client, the clock, the issuer, and where it is reached if not at its own URL."""
        self._http = http
        self._clock = clock
        self._issuer = issuer
        self._url = metadata_url(issuer, internal_url)
        self._document: bytes | None = None
        self._next_fetch = 0.0
        self._lock = asyncio.Lock()

    async def read(self) -> bytes:
        """Return the document; an old one while the issuer cannot be reached.

        Raises:
            IssuerUnavailableError: it cannot be reached and never was.
        """
        async with self._lock:
            if self._clock.now() >= self._next_fetch:
                await self._refresh()
        if self._document is None:
            raise IssuerUnavailableError(self._url)
        return self._document

    async def _refresh(self) -> None:
        wait = RETRY_SECONDS
        try:
            document = await fetch_document(self._http, self._url)
            if strict_json.load_object(document).get("issuer") != self._issuer:
                raise IssuerUnavailableError(f"{self._url} is not the metadata of {self._issuer}")
            self._document = document
            wait = METADATA_SECONDS
        except (IssuerUnavailableError, strict_json.InvalidJsonError) as error:
            _log.warning("issuer metadata not read", reason=str(error))
        self._next_fetch = self._clock.now() + wait
