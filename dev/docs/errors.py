"""docs/errors.md: every refusal of both services, from `shared/refusals`."""

from collections.abc import Iterable

from dev.docs.table import NOTICE, table
from shared.refusals import TABLE
from shared.refusals.json_rpc import JSON_RPC, UNREADABLE_BODY
from shared.refusals.refusal import Refusal

_HEADER = ("code", "status", "where", "when", "headers", "what a client does")

_INTRODUCTION = """\
# Refusals

Every way in which the two services say no, with what a client does about it. Of the headers
`WWW-Authenticate`, `Retry-After`, `Allow` and `Cache-Control` (always `no-store`) an answer has those that
its row names. A fault of the server or its store is 500 or 503, never a code that makes a client throw its
credentials away.
"""

_SECTIONS = {
    "oauth": (
        "OAuth errors",
        "Of the authorization server, as JSON with `error` and `error_description` (RFC 6749 section 5.2).\n"
        "Once the client and its redirect URI are known, an authorization request is refused by a 303\n"
        "redirect to the client, with the same members, `state` and `iss`, instead of the status here.",
    ),
    "pages": (
        "Pages",
        "Of the authorization server, as HTML for the person. A form that cannot be read has the status of\n"
        "the error above.",
    ),
    "credentials": (
        "Credentials at the MCP endpoint",
        "A JSON-RPC error whose code is the status. An OAuth code stands in the challenge and in\n"
        "`data.error`.",
    ),
    "json-rpc": (
        "JSON-RPC errors",
        "Of the MCP endpoint. The second status is that of the revisions that open with `initialize`, whose\n"
        "clients read any status but 200 as a broken connection. A body that is refused as a whole is\n"
        f"{UNREADABLE_BODY} in every revision. A tool that fails is no error here but a result with\n"
        "`isError`.",
    ),
    "transport": (
        "HTTP",
        "Of both services, whatever the request asks for. The MCP endpoint has the JSON-RPC code -32600 for\n"
        "`invalid_request`.",
    ),
}


def document() -> str:
    """Return the page."""
    parts = [NOTICE.format(source="shared/refusals"), _INTRODUCTION.rstrip()]
    for kind, rows in TABLE.items():
        title, text = _SECTIONS[kind]
        # A page has no code.
        first = 1 if kind == "pages" else 0
        parts += [f"## {title}", text, table(_HEADER[first:], [row[first:] for row in _rows(rows)])]
    return "\n\n".join(parts) + "\n"


def _rows(rows: Iterable[Refusal]) -> list[tuple[str, ...]]:
    handshake = {row: row.handshake_status for row in JSON_RPC}
    return [
        (
            "" if row.code is None else f"`{row.code}`",
            f"{row.status}, {handshake[row]}" if row in handshake else str(row.status),
            row.where,
            row.when,
            ", ".join(row.headers),
            row.remedy.value,
        )
        for row in rows
    ]
