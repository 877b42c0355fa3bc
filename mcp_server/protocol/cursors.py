"""Pages of a list and the opaque cursors between them (MCP "Pagination")."""

from collections.abc import Sequence
from typing import Final, TypeVar

import mcp_types

from mcp_server.protocol.jsonrpc import ProtocolError
from shared.sealing import base64url, from_base64url

PAGE_SIZE: Final = 100

_Item = TypeVar("_Item")


def page_of(items: Sequence[_Item], cursor: object, *, of: str) -> tuple[Sequence[_Item], str | None]:
    """Return the page a cursor names, the first for None, and the cursor of the next page if there is one.

    The lists are fixed for a deployment and a set of scopes, so a position is all that a cursor needs.

    Args:
        items: the whole list.
        cursor: as the client sent it.
        of: the method; a cursor of another one is refused.

    Raises:
        ProtocolError: -32602, the cursor was never given out for this list.
    """
    start = 0 if cursor is None else _position(cursor, of, len(items))
    end = start + PAGE_SIZE
    following = base64url(f"{of} {end}".encode()) if end < len(items) else None
    return items[start:end], following


def _position(cursor: object, of: str, length: int) -> int:
    refused = ProtocolError(mcp_types.INVALID_PARAMS, "params.cursor is not one of this server's.")
    if not isinstance(cursor, str):
        raise refused
    try:
        method, _, position = from_base64url(cursor).decode("ascii").partition(" ")
    except ValueError:
        raise refused from None
    # Only what was given out: other spellings of a number, or places between pages, never were.
    known = {str(start): start for start in range(PAGE_SIZE, length, PAGE_SIZE)}
    if method != of or position not in known:
        raise refused
    return known[position]
