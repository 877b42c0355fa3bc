"""Bytes to message, answer to bytes (JSON-RPC 2.0 sections 4 and 5; MCP "Messages")."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import mcp_types
from pydantic_core import to_json

from shared import strict_json

RequestId = int | str

MAX_ID_LENGTH: Final = 1024
"""Characters of a string id: it is echoed, so it is bounded."""


class ProtocolError(Exception):
    """What a JSON-RPC error object answers: code, sentence, optional data, the id if it could be read."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        data: Mapping[str, object] | None = None,
        request_id: RequestId | None = None,
    ) -> None:
        """Take the members of the error object and the id of the request it answers."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.data = data
        self.request_id = request_id


class Request(NamedTuple):
    """A call that is owed an answer."""

    id: RequestId
    method: str
    params: Mapping[str, object]


class Notification(NamedTuple):
    """A message that is owed none."""

    method: str
    params: Mapping[str, object]


class Reply(NamedTuple):
    """A client's answer to a request from the server; this server sends none, so nothing waits for it."""

    id: RequestId


Message = Request | Notification | Reply


def decode(body: bytes) -> object:
    """Return the JSON value of a request body.

    Raises:
        ProtocolError: -32700, when the body is not one unambiguous JSON text.
    """
    try:
        return strict_json.loads(body)
    except strict_json.InvalidJsonError as error:
        raise ProtocolError(mcp_types.PARSE_ERROR, f"The body cannot be read: {error}.") from None


def read_message(value: object) -> Message:
    """Return the message that a decoded JSON value is.

    Raises:
        ProtocolError: -32600 when it is none; -32602 when `params` is no object.
    """
    if not isinstance(value, dict):
        raise ProtocolError(mcp_types.INVALID_REQUEST, "A message is one JSON object.")
    if "id" in value:
        request_id = _read_id(value["id"])
        try:
            return _read_with_id(request_id, value)
        except ProtocolError as error:
            error.request_id = request_id
            raise
    return Notification(*_read_call(value))


def _read_id(value: object) -> RequestId:
    if isinstance(value, str) and len(value) <= MAX_ID_LENGTH:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ProtocolError(mcp_types.INVALID_REQUEST, "id must be a string or an integer.")


def _read_with_id(request_id: RequestId, value: Mapping[str, object]) -> Message:
    if "method" not in value and ("result" in value or "error" in value):
        _check_version(value)
        return Reply(request_id)
    return Request(request_id, *_read_call(value))


def _read_call(value: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    _check_version(value)
    method = value.get("method")
    if not isinstance(method, str):
        raise ProtocolError(mcp_types.INVALID_REQUEST, "method must be a string.")
    params = value.get("params", {})
    if not isinstance(params, dict):
        raise ProtocolError(mcp_types.INVALID_PARAMS, "params must be an object.")
    return method, params


def _check_version(value: Mapping[str, object]) -> None:
    if value.get("jsonrpc") != "2.0":
        raise ProtocolError(mcp_types.INVALID_REQUEST, 'jsonrpc must be "2.0".')


def encode_result(request_id: RequestId, result: bytes) -> bytes:
    """Return the response object that carries a result, given as JSON."""
    # One copy: a list of tools has a hundred kilobytes.
    return b"".join((b'{"jsonrpc":"2.0","id":', to_json(request_id), b',"result":', result, b"}"))


def encode_error(
    code: int, message: str, *, data: Mapping[str, object] | None = None, request_id: RequestId | None = None
) -> bytes:
    """Return the response object that carries an error, without `id` when the request's could not be read.

    MCP 2025-11-25 and later have the id optional and not nullable there, unlike JSON-RPC 2.0 section 5.
    """
    error: dict[str, object] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    response: dict[str, object] = {"jsonrpc": "2.0"}
    if request_id is not None:
        response["id"] = request_id
    return to_json({**response, "error": error})


def encode_notification(method: str, params: Mapping[str, object]) -> bytes:
    """Return a notification to the client."""
    return to_json({"jsonrpc": "2.0", "method": method, "params": params})
