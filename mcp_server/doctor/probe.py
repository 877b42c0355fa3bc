"""One request of the doctor: bounded, never redirected, and told in one line."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from shared.strict_json import InvalidJsonError, load_object

SECONDS: Final = 10.0
MAX_BODY: Final = 64 * 1024
ORIGIN: Final = "https://browser.example"
"""The web page that asks, where it matters what web pages may."""

_SHOWN: Final = 100
_SECRET: Final = "authorization"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, or which cause kept it from coming.

    Attributes:
        asked: method and URL.
        status: 0 when nothing came.
        headers: of the answer.
        body: the first 64 KiB.
        failure: id of the cause, when nothing came.
        reason: of the failure.
    """

    asked: str
    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    body: bytes = b""
    failure: str = ""
    reason: str = ""

    @property
    def media_type(self) -> str:
        """The media type, without parameters."""
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    @property
    def is_page(self) -> bool:
        """Whether a page for people came."""
        return self.media_type == "text/html" or self.body[:200].lstrip().lower().startswith(b"<")

    @property
    def is_json(self) -> bool:
        """Whether it says that it is JSON."""
        return self.media_type == "application/json" or self.media_type.endswith("+json")

    @property
    def is_redirect(self) -> bool:
        """Whether it leads elsewhere."""
        return self.status in (301, 302, 303, 307, 308)

    def document(self) -> Mapping[str, object]:
        """Return the members of a JSON object; none when it is none."""
        try:
            return load_object(self.body)
        except InvalidJsonError:
            return {}

    def evidence(self, *headers: str) -> str:
        """Return what was asked and what came, with some of its headers, for a person to read."""
        if self.failure:
            return f"{self.asked}: {self.reason}"
        told = [f"{self.asked} → {self.status}"]
        names = dict.fromkeys(["content-type", *(["location"] if self.is_redirect else []), *headers])
        told += [f"{name}: {self.headers.get(name, 'none')}" for name in names]
        if self.is_page:
            told.append(f"begins: {self.body[:_SHOWN].decode('utf-8', 'replace')}")
        return ", ".join(told)


class Probe:
    """Asks. Credentials go to the origin they are for, and nowhere else."""

    def __init__(self, http: httpx.AsyncClient, *, seconds: float = SECONDS) -> None:
        """Take the HTTP client and how long an answer may take."""
        self._http = http
        self._seconds = seconds

    async def get(self, url: str, **headers: str) -> Answer:
        """GET, as a web page of another origin does."""
        return await self.ask("GET", url, headers={"Accept": "application/json", "Origin": ORIGIN, **headers})

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json_body: object = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; return the answer, or why there is none."""
        asked = f"{method} {url}"
        try:
            request = self._http.build_request(
                method, url, headers=dict(headers or {}), json=json_body, data=dict(form) if form else None
            )
            async with asyncio.timeout(self._seconds):
                response = await self._http.send(request, stream=True, follow_redirects=False)
                try:
                    body = await _read(response)
                finally:
                    await response.aclose()
        except (httpx.TimeoutException, TimeoutError):
            return Answer(asked, failure="no-answer", reason=f"no answer within {self._seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ssl.SSLError) as error:
            return Answer(asked, failure=_failure_of(error), reason=str(error) or repr(error))
        return Answer(asked, response.status_code, response.headers, body)


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= MAX_BODY:
            break
    return bytes(body[:MAX_BODY])


def _failure_of(error: BaseException) -> str:
    """Return the id of the cause of an error, from the errors that led to it."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(one):
            return "tls-certificate"
        if isinstance(one, ssl.SSLError):
            return "not-http"
        if isinstance(one, socket.gaierror):
            return "no-address"
        if isinstance(one, ConnectionRefusedError):
            return "connection-refused"
    if isinstance(error, httpx.ConnectError):
        # anyio tells several refusals at once in a text of its own.
        return "no-address" if "getaddrinfo" in str(error) else "connection-refused"
    return "not-http"


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL; empty, when it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def path_of(url: str) -> str:
    """Return the path of a URL without a slash at its end; empty, when it is none."""
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""


def printable(text: str) -> str:
    """Return text that cannot move the cursor of the terminal it is shown on, bounded."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= 500 else f"{shown[:500]}…"


def to_json(value: object) -> str:
    """Return JSON in ASCII."""
    return json.dumps(value, indent=2)


def now() -> float:
    """Return seconds since the epoch."""
    return time.time()
