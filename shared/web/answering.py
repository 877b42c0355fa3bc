"""uvicorn's way from an ASGI answer to bytes, shorter for answers that come in one piece.

uvicorn looks at each byte of each header line of each answer, and sends head and body apart. Most lines here
are the same in every answer, and most answers are whole. What is not goes uvicorn's own way.
"""

import re
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from starlette.types import Message, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

LONGEST_JOINED: Final = 64 * 1024
"""Bytes of a body that is copied behind its head; a longer one is written after it."""

_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
"""RFC 9110 section 5.1: a token, in lower case."""

_VALUE: Final = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
"""RFC 9110 section 5.5; what could end a line is not in it."""

_CONSTANT: Final = frozenset(
    {
        b"access-control-allow-origin",
        b"access-control-expose-headers",
        b"cache-control",
        b"content-security-policy",
        b"content-type",
        b"permissions-policy",
        b"pragma",
        b"referrer-policy",
        b"strict-transport-security",
        b"x-content-type-options",
        b"x-frame-options",
    }
)
"""Names whose lines are kept: their few values are our own, and no secret."""

_PLAIN: Final = frozenset({b"content-length", b"x-request-id"})
"""Names whose lines are another each time, and have nothing to look at when they are letters and digits."""

_OTHER_WAYS: Final = frozenset({b"connection", b"transfer-encoding"})
"""Lines that decide how the body is sent, or what becomes of the connection."""

EXTENSIONS: Final[Mapping[str, Mapping[str, object]]] = {"val_town.whole_answer": {}}
"""ASGI extensions of a scope whose server takes an answer in one message: a start with the body in it."""

Headers = Iterable[tuple[bytes, bytes]]

_KEPT_LINES: Final = 256
_lines: dict[tuple[bytes, bytes], bytes] = {}


def send_whole(scope: Scope, send: Send, status: int, headers: Headers, body: bytes) -> Awaitable[None]:
    """Send an answer that is there in one piece.

    Where the server takes it so, every layer on its way is gone through once and not twice.

    Args:
        scope: of the request.
        send: takes the parts of the answer.
        status: of HTTP.
        headers: lines with lower-case names, Content-Length among them.
        body: all of it.
    """
    start = {"type": "http.response.start", "status": status, "headers": headers}
    if scope.get("extensions") is EXTENSIONS:
        start["body"] = body
        return send(start)
    return _send_parts(send, start, body)


async def _send_parts(send: Send, start: Message, body: bytes) -> None:
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _body_of(message: Any) -> Any:
    """Return the part of an answer that is its body, of one that may be a start with the body in it."""
    if message["type"] == "http.response.start":
        return {"type": "http.response.body", "body": message["body"]}
    return message


class Cycle(RequestResponseCycle):
    """One request and its answer on a connection.

    The head of an answer whose length is known waits for the body, and both are written together.
    """

    _head: bytes | None = None
    _defaults: ClassVar[tuple[Headers, bytes | None]] = ([], b"")
    """The lines of every answer, as uvicorn last gave them: the date is another once a second."""

    def send(self, message: Any) -> Any:
        """Take a part of the answer; what is returned is to be awaited."""
        if self.response_started:
            return self._send_body(message)
        self._head = self._head_of(message)
        if self._head is None:
            return super().send(message) if "body" not in message else self._send_both(message)
        self.response_started = True
        self.waiting_for_100_continue = False
        return _DONE if "body" not in message else self._send_body(message)

    def _send_body(self, message: Any) -> Any:
        if self._head is None:
            return super().send(message)
        if self._is_rest(message):
            self._finish(self._head + message.get("body", b""))
            return _DONE
        return self._send_apart(message)

    async def _send_both(self, message: Any) -> None:
        await super().send(message)
        await super().send(_body_of(message))

    def _is_rest(self, message: Any) -> bool:
        """Return whether the body is in this message, whole, and can be written now."""
        length = len(message.get("body", b""))
        return (
            length == self.expected_content_length
            and length <= LONGEST_JOINED
            and not message.get("more_body")
            and not self.disconnected
            and not self.flow.write_paused
        )

    async def _send_apart(self, message: Any) -> None:
        head, self._head = self._head, None
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if not self.disconnected and head is not None:
            self.transport.write(head)
        await super().send(_body_of(message))

    def _finish(self, answer: bytes) -> None:
        self._head = None
        self.transport.write(answer)
        self.expected_content_length = 0
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _head_of(self, message: Any) -> bytes | None:
        """Return the head of an answer with a known length; None: it goes uvicorn's own way."""
        if message["type"] != "http.response.start" or self.disconnected or not self.keep_alive:
            return None
        if self.access_log or self.scope["method"] == "HEAD":
            return None
        headers = message.get("headers", ())
        length = _length(headers)
        defaults, lines = self._default_lines(), _joined(headers)
        if length is None or defaults is None or lines is None:
            return None
        self.expected_content_length = length
        self.chunked_encoding = False
        return b"".join((STATUS_LINE[message["status"]], defaults, lines, b"\r\n"))

    def _default_lines(self) -> bytes | None:
        given, lines = Cycle._defaults
        if given is not self.default_headers:
            lines = _joined(self.default_headers)
            Cycle._defaults = (self.default_headers, lines)
        return lines


class _Done:
    """An awaitable of what was done at once; it costs no coroutine."""

    __slots__ = ()

    def __await__(self) -> Iterator[None]:
        return iter(())


_DONE: Final = _Done()


def _length(headers: Headers) -> int | None:
    """Return the only Content-Length; None when there is none, or more than one."""
    lengths = [value for name, value in headers if name == b"content-length"]
    return int(lengths[0]) if len(lengths) == 1 else None


def _joined(headers: Headers) -> bytes | None:
    """Return header lines as bytes; None when one must go uvicorn's own way."""
    lines = []
    for header in headers:
        line = _lines.get(header) or _line(*header)
        if line is None:
            return None
        lines.append(line)
    return b"".join(lines)


def _line(name: bytes, value: bytes) -> bytes | None:
    if name in _PLAIN and value.isalnum():
        return b"".join((name, b": ", value, b"\r\n"))
    if name in _OTHER_WAYS or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        return None
    line = b"".join((name, b": ", value, b"\r\n"))
    if name in _CONSTANT and len(_lines) < _KEPT_LINES:
        _lines[name, value] = line
    return line
