"""Bounds on what a request may bring: header bytes, body bytes, and the time it takes to send them."""

import asyncio

from starlette.types import Receive, Scope

from shared.refusals.refusal import Refusal
from shared.refusals.transport import (
    CUT_OFF,
    ENCODED_BODY,
    LARGE_BODY,
    LARGE_HEADERS,
    LONG_TARGET,
    MALFORMED_LENGTH,
    SEVERAL_HOSTS,
    SLOW_BODY,
)
from shared.web.fields import HeaderFields

MAX_HEADER_BYTES = 32 * 1024
MAX_TARGET_BYTES = 48 * 1024
BODY_SECONDS = 10.0

SHORT_BODY_BYTES = 16 * 1024
"""Of what is put into the scope of a body; a longer one is only received."""

WHOLE = "val_town.whole"
"""In the scope of a request whose body has arrived to its end: what is unread of it, None if that is long."""


class RequestRefusedError(Exception):
    """The request cannot be read; `status` and `reason` say how to answer."""

    def __init__(self, refusal: Refusal, reason: str) -> None:
        """Take the row of the table of refusals and a sentence for the client."""
        self.status = refusal.status
        self.reason = reason
        super().__init__(reason)


async def read_body(scope: Scope, receive: Receive, *, limit: int, seconds: float = BODY_SECONDS) -> bytes:
    """Return the request's body.

    Args:
        scope: of the request.
        receive: of the request.
        limit: the most bytes that are accepted.
        seconds: how long sending it may take altogether.

    Raises:
        RequestRefusedError: 413 too large, 408 too slow, 415 encoded, 400 malformed length or cut off.
    """
    body = short_body(scope, limit=limit)
    if body is not None:
        return body
    if WHOLE in scope:
        # Nothing is waited for. A timer is the dearest part of reading a small body.
        return await _read(receive, limit)
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, limit)
    except TimeoutError:
        raise RequestRefusedError(
            SLOW_BODY, f"The request body did not arrive within {seconds:g} s."
        ) from None


def short_body(scope: Scope, *, limit: int) -> bytes | None:
    """Return the body of a request if it is there already; None: it must be read.

    Raises:
        RequestRefusedError: as `read_body`.
    """
    declared = _declared_length(scope)
    body: bytes | None = scope.get(WHOLE)
    if max(declared or 0, len(body or b"")) > limit:
        raise RequestRefusedError(LARGE_BODY, f"The request body is larger than {limit} bytes.")
    return body


async def _read(receive: Receive, limit: int) -> bytes:
    body: bytes | bytearray = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestRefusedError(CUT_OFF, "The connection closed before the request was complete.")
        chunk: bytes = message.get("body", b"")
        if len(body) + len(chunk) > limit:
            raise RequestRefusedError(LARGE_BODY, f"The request body is larger than {limit} bytes.")
        is_last = not message.get("more_body", False)
        if is_last and not body:
            # The only one, almost always.
            return chunk
        if not isinstance(body, bytearray):
            body = bytearray(body)
        body += chunk
        if is_last:
            return bytes(body)


def _declared_length(scope: Scope) -> int | None:
    fields = HeaderFields.of(scope)
    lengths, encodings = fields.all(b"content-length"), fields.all(b"content-encoding")
    if encodings and any(encoding.strip().lower() not in (b"", b"identity") for encoding in encodings):
        raise RequestRefusedError(ENCODED_BODY, "A compressed request body is not supported.")
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        raise RequestRefusedError(MALFORMED_LENGTH, "The Content-Length header is malformed.")
    return int(lengths[0])


def refused_head(scope: Scope) -> RequestRefusedError | None:
    """Return why a head is refused: longer than any client needs, or two Host headers (RFC 9112, 3.2)."""
    fields = HeaderFields.of(scope)
    if fields.size > MAX_HEADER_BYTES:
        return RequestRefusedError(LARGE_HEADERS, "The request headers are too large.")
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
        return RequestRefusedError(LONG_TARGET, "The URL is too long.")
    if len(fields.all(b"host")) > 1:
        return RequestRefusedError(SEVERAL_HOSTS, "There must be one Host header.")
    return None
