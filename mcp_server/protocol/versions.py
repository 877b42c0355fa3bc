"""The MCP revisions served here, and everything that differs between them (MCP "Versioning")."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from shared.refusals.json_rpc import JSON_RPC


@dataclass(frozen=True, slots=True, eq=False)
class Revision:
    """One revision of MCP as this server speaks it.

    `modern`: every request stands alone and names its revision in `_meta`; results say their type, server
    and shelf life. Otherwise the client opens with `initialize`.
    `batch_limit`: messages one body may hold as an array; 0 where arrays are no messages.
    `error_status`: HTTP status of an answer that carries this JSON-RPC error; 200 for codes not named.
    """

    name: str
    modern: bool
    batch_limit: int
    error_status: Mapping[int, int]

    def status_of(self, code: int) -> int:
        """Return the HTTP status of an answer that carries the JSON-RPC error `code`."""
        return self.error_status.get(code, 200)


_MODERN_STATUS: Final = MappingProxyType({row.code: row.status for row in JSON_RPC})
_HANDSHAKE_STATUS: Final = MappingProxyType({row.code: row.handshake_status for row in JSON_RPC})

REVISIONS: Final[Mapping[str, Revision]] = MappingProxyType(
    {
        revision.name: revision
        for revision in (
            Revision("2026-07-28", modern=True, batch_limit=0, error_status=_MODERN_STATUS),
            Revision("2025-11-25", modern=False, batch_limit=0, error_status=_HANDSHAKE_STATUS),
            Revision("2025-06-18", modern=False, batch_limit=0, error_status=_HANDSHAKE_STATUS),
            Revision("2025-03-26", modern=False, batch_limit=20, error_status=_HANDSHAKE_STATUS),
        )
    }
)
"""Every revision served, newest first."""

SUPPORTED: Final = tuple(REVISIONS)
"""Names of the revisions, newest first, as `server/discover` and the refusal of an unknown one list them."""

NEWEST: Final = REVISIONS["2026-07-28"]
"""Whose rules an unknown revision is refused by."""

NEWEST_HANDSHAKE: Final = REVISIONS["2025-11-25"]
"""What `initialize` offers to a client that asks for something else."""

WITHOUT_HEADER: Final = REVISIONS["2025-03-26"]
"""What a request without MCP-Protocol-Version speaks (2025-06-18 "Protocol Version Header")."""


def negotiate(requested: str) -> Revision:
    """Return the revision that `initialize` settles on: the one asked for, if served and with a handshake."""
    revision = REVISIONS.get(requested)
    return revision if revision is not None and not revision.modern else NEWEST_HANDSHAKE
