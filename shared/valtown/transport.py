"""One bounded exchange with Val Town: deadline, size cap, no redirect, a single retry of what is safe.

The request is built apart from the httpx client's defaults: the connection pool is shared by all callers, so
neither its cookies nor its headers may reach a request that carries somebody's credential.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final

import httpx
from pydantic_core import PydanticSerializationError, from_json, to_json

from shared import handshakes
from shared.logs import REDACTED, get_logger, redact
from shared.valtown.errors import BadRequest, Unauthorized, Unavailable, ValTownError, error_for
from shared.valtown.fair_share import Share
from shared.valtown.measured import measured
from shared.valtown.target import Query, build_target

handshakes.install()

_log = get_logger("valtown:client")

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,4096}")
_SECONDS: Final = re.compile(r"\d{1,6}(?:\.\d{1,3})?")
_RETRIED_STATUSES: Final = frozenset({502, 503, 504})
_RETRIED_FAULTS: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ReadError,
    httpx.RemoteProtocolError,
)
_ERROR_BODY_BYTES: Final = 64 * 1024
_MESSAGE_CHARACTERS: Final = 500
_FIRST_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one call may cost; the total includes the retry and the reading of the body."""

    connect_seconds: float = 2.0
    total_seconds: float = 20.0
    answer_bytes: int = 8 * 1024 * 1024
    retry_wait_seconds: float = 2.0
    """A Retry-After beyond this is passed on instead of waited for."""


DEFAULT_BOUNDS: Final = Bounds()


@dataclass(frozen=True, slots=True)
class RawBody:
    """Bytes sent as they are."""

    content: bytes
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Call:
    """A request by its path template.

    A mapping as `body` is sent as JSON; None sends neither body nor content type.
    """

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    query: Query = field(default_factory=dict)
    body: Mapping[str, object] | RawBody | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A success or a refusal, fully read."""

    status: int
    headers: httpx.Headers
    body: bytes


class Transport:
    """Sends calls with one credential; the credential is in no error, log line or `repr`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        token: str,
        *,
        bounds: Bounds,
        share: Share | None,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Take the shared connection pool, the fixed base URL, one credential, bounds, and how to wait."""
        self._http = http
        self._base_url = base_url
        self._token = token
        self._bounds = bounds
        self._share = share
        self._sleep = sleep

    @property
    def base_url(self) -> str:
        """The configured address of the API."""
        return self._base_url

    async def exchange(self, call: Call) -> Answer:
        """Return the answer to a call, any 2xx.

        Raises:
            ValTownError: the subclass for the status; Unavailable when nothing usable came back in time.
        """
        with measured(f"{call.method} {call.path}") as context:
            return await self._exchange(call, context)

    async def _exchange(self, call: Call, context: Mapping[str, str]) -> Answer:
        url = build_target(self._base_url, call.path, call.parameters, call.query)
        started = time.perf_counter()
        status: int | None = None
        try:
            async with asyncio.timeout(self._bounds.total_seconds), self._turn():
                answer = await self._with_retry(call, url, context)
            status = answer.status
        except TimeoutError:
            raise self._too_slow() from None
        except httpx.HTTPError as error:
            # Not chained: an httpx error carries the request, and with it the Authorization header.
            raise Unavailable(None, f"Val Town cannot be reached ({type(error).__name__}).") from None
        except ValTownError as error:
            status = error.status
            raise
        finally:
            elapsed = round((time.perf_counter() - started) * 1000, 1)
            _log.debug("upstream call", method=call.method, path=call.path, status=status, ms=elapsed)
        if not 200 <= answer.status < 300:
            raise self._refusal(answer)
        return answer

    async def fetch(self, method: str, url: str, body: RawBody | None, *, limit: int) -> Answer:
        """Return what is at a checked URL outside the API, at most one byte more than `limit`.

        The credential is not sent, no redirect is followed, nothing is tried twice.

        Raises:
            Unavailable: nothing came back in time.
        """
        # Whoever wrote the val hears nothing of the trace.
        with measured("visit"):
            return await self._fetch(method, url, body, limit)

    async def _fetch(self, method: str, url: str, body: RawBody | None, limit: int) -> Answer:
        try:
            async with asyncio.timeout(self._bounds.total_seconds), self._turn():
                request = self._assembled(method, httpx.URL(url), {}, body)
                response = await self._http.send(request, stream=True, follow_redirects=False, auth=None)
                try:
                    content = await _beginning(response, limit + 1)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise Unavailable(
                None, f"The val did not answer within {self._bounds.total_seconds:g} seconds."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(None, f"The val cannot be reached ({type(error).__name__}).") from None
        return Answer(response.status_code, response.headers, content)

    async def post_rpc(self, url: str, message: Mapping[str, object]) -> Answer:
        """Return the answer of Val Town's own MCP server to a JSON-RPC message, with the credential.

        No redirect is followed, nothing is tried twice. `url` is configured, never an argument of a call.

        Raises:
            ValTownError: as `exchange`.
        """
        with measured("mcp") as context:
            return await self._post_rpc(url, message, context)

    async def _post_rpc(self, url: str, message: Mapping[str, object], context: Mapping[str, str]) -> Answer:
        headers = {
            **context,
            **self._credential(),
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2025-06-18",
        }
        request = self._assembled(
            "POST", httpx.URL(url), headers, RawBody(_as_json(message), "application/json")
        )
        try:
            async with asyncio.timeout(self._bounds.total_seconds), self._turn():
                response = await self._http.send(request, stream=True, follow_redirects=False, auth=None)
                try:
                    answer = Answer(response.status_code, response.headers, await self._read(response))
                finally:
                    await response.aclose()
        except TimeoutError:
            raise self._too_slow() from None
        except httpx.HTTPError as error:
            raise Unavailable(None, f"Val Town cannot be reached ({type(error).__name__}).") from None
        if not 200 <= answer.status < 300:
            raise self._refusal(answer)
        return answer

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return self._share.turn() if self._share else nullcontext()

    async def _with_retry(self, call: Call, url: httpx.URL, context: Mapping[str, str]) -> Answer:
        if call.method != "GET":
            return await self._once(call, url, context)
        pause = _FIRST_PAUSE_SECONDS
        try:
            answer = await self._once(call, url, context)
            asked = self._pause_before_retry(answer)
            if asked is None:
                return answer
            pause = asked
        except _RETRIED_FAULTS:
            pass
        await self._sleep(pause)
        return await self._once(call, url, context)

    def _pause_before_retry(self, answer: Answer) -> float | None:
        if answer.status not in _RETRIED_STATUSES and answer.status != 429:
            return None
        asked = _retry_after(answer.headers)
        if asked is None:
            # Whoever limits calls and does not say for how long is not asked again at once.
            return None if answer.status == 429 else _FIRST_PAUSE_SECONDS
        return asked if asked <= self._bounds.retry_wait_seconds else None

    async def _once(self, call: Call, url: httpx.URL, context: Mapping[str, str]) -> Answer:
        response = await self._http.send(
            self._request(call, url, context), stream=True, follow_redirects=False, auth=None
        )
        try:
            return Answer(response.status_code, response.headers, await self._read(response))
        finally:
            await response.aclose()

    def _request(self, call: Call, url: httpx.URL, context: Mapping[str, str]) -> httpx.Request:
        body = call.body
        if body is not None and not isinstance(body, RawBody):
            body = RawBody(_as_json(body), "application/json")
        return self._assembled(call.method, url, {**context, **self._credential()}, body)

    def _credential(self) -> dict[str, str]:
        # A pasted token may hold anything; what no header can carry is not a Val Town token.
        if not _TOKEN.fullmatch(self._token):
            raise Unauthorized(None, "This is not a Val Town token.")
        return {"Authorization": f"Bearer {self._token}"}

    def _assembled(
        self, method: str, url: httpx.URL, more: Mapping[str, str], body: RawBody | None
    ) -> httpx.Request:
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Accept": "*/*",
            # The cap counts what is kept in memory, so nothing may unfold on arrival.
            "Accept-Encoding": "identity",
            "User-Agent": "val-town-mcp-server",
            **more,
        }
        if body is not None:
            headers["Content-Type"] = body.content_type
        total = self._bounds.total_seconds
        timeouts = {"connect": self._bounds.connect_seconds, "read": total, "write": total, "pool": total}
        return httpx.Request(
            method,
            url,
            headers=headers,
            content=None if body is None else body.content,
            extensions={"timeout": timeouts},
        )

    async def _read(self, response: httpx.Response) -> bytes:
        if not response.is_success:
            return await _beginning(response, _ERROR_BODY_BYTES)
        status, limit = response.status_code, self._bounds.answer_bytes
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise Unavailable(status, "Val Town's answer is compressed, which nobody asked for.")
        too_large = Unavailable(status, f"Val Town's answer is larger than {limit} bytes.")
        if _exceeds(response.headers.get("content-length", ""), limit):
            raise too_large
        body = await _beginning(response, limit + 1)
        if len(body) > limit:
            raise too_large
        return body

    def _refusal(self, answer: Answer) -> ValTownError:
        if 300 <= answer.status < 400:
            return Unavailable(answer.status, "Val Town answered with a redirect, which is never followed.")
        message = _sentence(answer.body).replace(self._token, REDACTED)
        message = str(redact(message))[:_MESSAGE_CHARACTERS]
        return error_for(answer.status, message or "No reason given.", _retry_after(answer.headers))

    def _too_slow(self) -> Unavailable:
        return Unavailable(None, f"Val Town did not answer within {self._bounds.total_seconds:g} seconds.")


def _as_json(body: Mapping[str, object]) -> bytes:
    try:
        return to_json(body)
    except PydanticSerializationError:
        raise BadRequest(None, "A value holds half a character (a lone surrogate).") from None


async def _beginning(response: httpx.Response, limit: int) -> bytes:
    """Return at most `limit` bytes of the body and read no further."""
    kept = bytearray()
    async for chunk in response.aiter_raw():
        kept += chunk[: limit - len(kept)]
        if len(kept) >= limit:
            break
    return bytes(kept)


def _exceeds(declared: str, limit: int) -> bool:
    return declared.isdecimal() and int(declared[:19]) > limit


def _sentence(body: bytes) -> str:
    """Return Val Town's reason, one line: `message`, else `error`; nothing of a body that is no such JSON."""
    try:
        parsed = from_json(body)
    except ValueError:
        return ""
    if not isinstance(parsed, dict):
        return ""
    reasons = (parsed.get("message"), parsed.get("error"))
    text = next((reason for reason in reasons if isinstance(reason, str) and reason.strip()), "")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _retry_after(headers: httpx.Headers) -> float | None:
    """Return the seconds of a Retry-After header; its date form is ignored (RFC 9110 section 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    return float(value) if _SECONDS.fullmatch(value) else None
