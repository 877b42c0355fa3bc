"""Fetching a JSON document that a stranger named: public addresses, no redirect, bounded in time and size."""

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import httpcore

from auth_server.metrics import DOCUMENT_FETCHES
from auth_server.outbound.public_network import NotPublicError, PublicNetwork
from shared import handshakes

handshakes.install()

FETCH_SECONDS: Final = 2.0
MAX_FETCHES: Final = 64
MAX_FETCHES_OF_HOST: Final = 4

LEAST_FRESH_SECONDS: Final = 300
MOST_FRESH_SECONDS: Final = 86_400
USUAL_FRESH_SECONDS: Final = 3600

# Not compressed, so that the bytes counted are the bytes kept.
_HEADERS: Final = [
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"val-town-mcp-server"),
]
_JSON: Final = re.compile(r"application/(?:[a-z0-9.+\-]+\+)?json(?:\s*;.*)?", re.IGNORECASE)
_MAX_AGE: Final = re.compile(r'(?:^|,)\s*max-age\s*=\s*"?(\d{1,10})"?\s*(?=,|$)', re.IGNORECASE)
_NOT_KEPT: Final = re.compile(r"(?:^|,)\s*(?:no-store|no-cache)\b", re.IGNORECASE)
_PASSING: Final = frozenset({401, 403, 408, 425, 429})


class FetchError(Exception):
    """The document was not had; `reason` is for people, `outcome` for the count of fetches."""

    outcome = "unavailable"

    def __init__(self, reason: str) -> None:
        """Take the reason, as the end of a sentence."""
        self.reason = reason
        super().__init__(reason)


class UnavailableError(FetchError):
    """It may be there later: the host did not answer, or did not want to."""


class SlowError(UnavailableError):
    """The host let us wait: it should be left alone for a while."""

    outcome = "slow"


class NoDocumentError(FetchError):
    """The host answered, and not with a document; or the host is none that may be asked."""

    outcome = "no_document"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document, and for how many seconds it may be used without asking again (RFC 9111 section 4.2)."""

    body: bytes
    fresh_seconds: int


class DocumentFetcher:
    """Fetches documents. Nothing is sent along, and nothing but the document comes back."""

    def __init__(
        self,
        network: PublicNetwork,
        ssl_context: ssl.SSLContext,
        *,
        seconds: float = FETCH_SECONDS,
    ) -> None:
        """Take the network, the certificate authorities, and how long a fetch may take altogether."""
        self._seconds = seconds
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context,
            max_connections=MAX_FETCHES,
            # None is kept: the next one resolves and judges anew.
            max_keepalive_connections=0,
            network_backend=network,
        )
        self._running: dict[str, int] = {}

    async def close(self) -> None:
        """Close what is open."""
        await self._pool.aclose()

    async def fetch(self, url: str, *, host: str, limit: int) -> Fetched:
        """Return a document.

        Args:
            url: checked by its spelling already.
            host: of the URL.
            limit: the most bytes it may have.

        Raises:
            SlowError: it did not come in time.
            UnavailableError: it did not come; or too many are fetched from this host already.
            NoDocumentError: the answer is no JSON document within the limit, or the host is not public.
        """
        if self._running.get(host, 0) >= MAX_FETCHES_OF_HOST or sum(self._running.values()) >= MAX_FETCHES:
            DOCUMENT_FETCHES.inc("busy_here")
            raise UnavailableError("too much is being fetched just now")
        self._running[host] = self._running.get(host, 0) + 1
        outcome = "cancelled"
        try:
            fetched = await self._fetch_in_time(url, limit)
            outcome = "ok"
            return fetched
        except FetchError as error:
            outcome = error.outcome
            raise
        finally:
            DOCUMENT_FETCHES.inc(outcome)
            self._running[host] -= 1
            if not self._running[host]:
                del self._running[host]

    async def _fetch_in_time(self, url: str, limit: int) -> Fetched:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._fetch(url, limit)
        except NotPublicError:
            raise NoDocumentError("its host is not on the public internet") from None
        except (TimeoutError, httpcore.TimeoutException):
            raise SlowError("it did not come in time") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
            raise UnavailableError(
                f"its host does not answer as it should ({type(error).__name__})"
            ) from None

    async def _fetch(self, url: str, limit: int) -> Fetched:
        async with self._pool.stream("GET", _parts_of(url), headers=_HEADERS) as response:
            headers = _headers_of(response)
            _check_head(response.status, headers, limit)
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > limit:
                    raise NoDocumentError(f"it is longer than {limit} bytes")
            return Fetched(bytes(body), fresh_seconds(headers))


def _parts_of(url: str) -> httpcore.URL:
    # Taken apart here: httpcore drops the parameters of a path (`;v=1`), and asks for another document.
    scheme, _, rest = url.partition("://")
    netloc, slash, path = rest.partition("/")
    host, _, port = netloc.partition(":")
    return httpcore.URL(scheme=scheme, host=host, port=int(port) if port else None, target=slash + path)


def _headers_of(response: httpcore.Response) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers:
        text = value.decode("latin-1")
        key = name.decode("latin-1").lower()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _check_head(status: int, headers: Mapping[str, str], limit: int) -> None:
    if status in _PASSING or status >= 500:
        raise UnavailableError(f"its host answered with status {status}")
    if status != 200:
        raise NoDocumentError(f"its host answered with status {status}")
    if not _JSON.fullmatch(headers.get("content-type", "").strip()):
        raise NoDocumentError("it is not served as application/json")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise NoDocumentError("it is served compressed, which was not asked for")
    length = headers.get("content-length", "0")
    if not length.isdigit() or len(length) > 18 or int(length) > limit:
        raise NoDocumentError(f"it is longer than {limit} bytes")


def fresh_seconds(headers: Mapping[str, str]) -> int:
    """Return for how long an answer may be used, from its headers (RFC 9111), within our bounds.

    0 when it says that it must not be kept. To use a document for less long than its host allows does no
    harm; to use it for too long keeps what was withdrawn.
    """
    control = headers.get("cache-control", "")
    if _NOT_KEPT.search(control):
        return 0
    if (found := _MAX_AGE.search(control)) is not None:
        age = headers.get("age", "0").strip()
        seconds = int(found[1]) - (int(age) if age.isdigit() and len(age) < 11 else 0)
    else:
        seconds = _until_expiry(headers)
    return min(max(seconds, LEAST_FRESH_SECONDS), MOST_FRESH_SECONDS)


def _until_expiry(headers: Mapping[str, str]) -> int:
    if "expires" not in headers:
        return USUAL_FRESH_SECONDS
    try:
        # Against the clock of whoever wrote both (RFC 9111 section 4.2.1).
        expires, date = (parsedate_to_datetime(headers[name]) for name in ("expires", "date"))
        return int((expires.replace(tzinfo=UTC) - date.replace(tzinfo=UTC)).total_seconds())
    except (KeyError, ValueError, TypeError, OverflowError):
        # RFC 9111 section 5.3: what cannot be read has expired.
        return 0
