"""Which revision a request speaks; its headers held against its body (MCP 2026-07-28 "Transports")."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import mcp_types

from mcp_server.protocol.jsonrpc import Message, Notification, ProtocolError, Request
from mcp_server.protocol.versions import NEWEST, REVISIONS, SUPPORTED, WITHOUT_HEADER, Revision

_PROTOCOL_VERSION: Final = b"mcp-protocol-version"
_METHOD: Final = b"mcp-method"
_NAME: Final = b"mcp-name"

NAME_PARAMETER: Final[Mapping[str, str]] = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
}
"""Method → the parameter that Mcp-Name repeats."""

PARAMETER_PREFIX: Final = b"mcp-param-"
"""What the names of headers begin with that repeat a tool's arguments (`x-mcp-header` in its schema)."""

_ROUTING: Final = frozenset({_PROTOCOL_VERSION, _METHOD, _NAME})
_SENTINEL: Final = re.compile(r"=\?base64\?(.*)\?=")


class HeaderLines(Protocol):
    """The header lines of a request, with lower-case names."""

    def all(self, name: bytes) -> Sequence[bytes]:
        """Return the values of a name, in the order of their lines."""

    def repeated(self) -> Sequence[bytes]:
        """Return the names that come more than once."""


class RoutingHeaders:
    """The headers by which a proxy may route a request; None where a header is absent."""

    __slots__ = ("_lines", "method", "name", "protocol_version")

    def __init__(self, lines: HeaderLines) -> None:
        """Take the header lines of a request.

        Raises:
            ProtocolError: -32020 when one occurs twice: readers of the first and of the last would disagree.
        """
        for name in lines.repeated():
            _check_single(name)
        self._lines = lines
        self.protocol_version = _only(lines, _PROTOCOL_VERSION)
        self.method = _only(lines, _METHOD)
        self.name = _only(lines, _NAME)

    def parameter(self, name: str) -> str | None:
        """Return the value of Mcp-Param-`name`."""
        return _only(self._lines, PARAMETER_PREFIX + name.lower().encode("latin-1"))


def _only(lines: HeaderLines, name: bytes) -> str | None:
    values = lines.all(name)
    # RFC 9110 section 5.5: white space around a value is no part of it, and the parser leaves some.
    return values[0].decode("latin-1").strip(" \t") if values else None


def _check_single(repeated: bytes) -> None:
    if repeated in _ROUTING or repeated.startswith(PARAMETER_PREFIX):
        raise _mismatch(f"The header {repeated.decode('latin-1')[:64]} occurs more than once.")


def revision_of(headers: RoutingHeaders, value: object) -> Revision | None:
    """Return the handshake revision that a request speaks, None when the rules of 2026-07-28 must judge it.

    Without a header it is 2025-03-26, unless the body says otherwise: then the header is missing.
    """
    if headers.protocol_version is None:
        claimed = _meta_of(value).get(mcp_types.PROTOCOL_VERSION_META_KEY)
        return None if claimed is not None and not _has_handshake(claimed) else WITHOUT_HEADER
    return REVISIONS[headers.protocol_version] if _has_handshake(headers.protocol_version) else None


def check_modern(message: Message, headers: RoutingHeaders) -> Revision:
    """Hold a message of 2026-07-28 or later against its headers and return its revision.

    Raises:
        ProtocolError: -32600 for a reply, -32602 when `_meta` lacks what is required, -32020 when headers and
            body disagree, -32022 when the revision is not served; the first that applies, in that order.
    """
    try:
        if isinstance(message, Request):
            return _check_request(message, headers)
        if isinstance(message, Notification):
            return _check_notification(message, headers)
    except ProtocolError as error:
        error.request_id = message.id if isinstance(message, Request) else None
        raise
    raise ProtocolError(mcp_types.INVALID_REQUEST, "The body must be one request or notification.")


def check_parameters(
    request: Request, headers: RoutingHeaders, expected: Mapping[tuple[str, ...], str]
) -> None:
    """Hold the arguments that headers must repeat against those headers.

    Args:
        request: a `tools/call`.
        headers: of the request.
        expected: path in the arguments → the name in the header, as the tool's schema says.

    Raises:
        ProtocolError: -32020 when a header is missing, says something else, or repeats what is not there.
    """
    for path, name in expected.items():
        value = _as_text(_at(request.params.get("arguments"), path))
        header = headers.parameter(name)
        if (None if header is None else decode_value(header)) != value or (value is None) != (header is None):
            error = _mismatch(f"The header Mcp-Param-{name} must repeat arguments.{'.'.join(path)}.")
            error.request_id = request.id
            raise error


def _at(value: object, path: tuple[str, ...]) -> object:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None


def decode_value(value: str) -> str | None:
    """Return a header value with the `=?base64?…?=` sentinel undone; None when what is in it is malformed."""
    match = _SENTINEL.fullmatch(value)
    if match is None:
        return value
    encoded = match.group(1)
    try:
        decoded = base64.b64decode(encoded, validate=True)
        # Only the canonical form: two spellings of one value would let a proxy and this server disagree.
        return decoded.decode("utf-8") if base64.b64encode(decoded).decode() == encoded else None
    except (binascii.Error, ValueError):
        return None


def _check_request(request: Request, headers: RoutingHeaders) -> Revision:
    meta = _meta_of({"params": request.params})
    claimed = meta.get(mcp_types.PROTOCOL_VERSION_META_KEY)
    if claimed is None and headers.protocol_version not in REVISIONS:
        # Nothing to compare the header with, and the more useful of the two things that are wrong.
        raise _unsupported(headers.protocol_version)
    for key in (mcp_types.PROTOCOL_VERSION_META_KEY, mcp_types.CLIENT_CAPABILITIES_META_KEY):
        if meta.get(key) is None:
            raise ProtocolError(mcp_types.INVALID_PARAMS, f"params._meta must have {key}.")
    if headers.protocol_version is None or headers.protocol_version != claimed:
        raise _mismatch(f"The header MCP-Protocol-Version must repeat {mcp_types.PROTOCOL_VERSION_META_KEY}.")
    if headers.method != request.method:
        raise _mismatch("The header Mcp-Method must repeat the method.")
    _check_name(request, headers)
    return _supported(headers.protocol_version)


def _check_name(request: Request, headers: RoutingHeaders) -> None:
    parameter = NAME_PARAMETER.get(request.method)
    if parameter is None or request.params.get(parameter) is None:
        return
    if headers.name is None or decode_value(headers.name) != request.params[parameter]:
        raise _mismatch(f"The header Mcp-Name must repeat params.{parameter}.")


def _check_notification(notification: Notification, headers: RoutingHeaders) -> Revision:
    if headers.method is not None and headers.method != notification.method:
        raise _mismatch("The header Mcp-Method must repeat the method.")
    if headers.protocol_version is None:
        raise _mismatch("The header MCP-Protocol-Version is missing.")
    return _supported(headers.protocol_version)


def _meta_of(value: object) -> Mapping[str, object]:
    params = value.get("params") if isinstance(value, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    return meta if isinstance(meta, dict) else {}


def _has_handshake(name: object) -> bool:
    revision = REVISIONS.get(name) if isinstance(name, str) else None
    return revision is not None and not revision.modern


def _supported(name: str) -> Revision:
    revision = REVISIONS.get(name)
    if revision is None or not revision.modern:
        raise _unsupported(name)
    return revision


def _mismatch(message: str) -> ProtocolError:
    return ProtocolError(mcp_types.HEADER_MISMATCH, message)


def _unsupported(requested: str | None) -> ProtocolError:
    data = {"supported": list(SUPPORTED), "requested": (requested or "")[:64]}
    return ProtocolError(
        mcp_types.UNSUPPORTED_PROTOCOL_VERSION,
        f"This protocol version is not supported; {NEWEST.name} is.",
        data=data,
    )
