"""Tools about the connection itself; they ask Val Town nothing."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal

from pydantic import BaseModel, Field

from mcp_server.auth.principal import Principal
from mcp_server.tools.context import ToolContext
from mcp_server.tools.registry import Annotations, tool


class Connection(BaseModel):
    """What the caller's credential allows."""

    credential: Literal["oauth", "x-val-town-token"] = Field(
        description="oauth: an access token of this server; x-val-town-token: the legacy header."
    )
    account: str | None = Field(default=None, description="Val Town user id; absent with the legacy header.")
    client_id: str | None = Field(default=None, description="The app the person approved.")
    granted: list[str] = Field(description="Scopes as granted.")
    scopes: list[str] = Field(description="Everything they amount to; tools need these.")
    expires_at: str | None = Field(default=None, description="When the access token ends (UTC).")
    vals: list[str] | None = Field(
        default=None, description="Ids of the only vals it reaches; absent: all that the scopes open."
    )
    note: str | None = None


@tool(
    scope=None,
    title="Who am I",
    annotations=Annotations(read_only=True, destructive=False, idempotent=True, open_world=False),
)
async def whoami(context: ToolContext) -> Connection:
    """Show what this connection may do: account id, app, scopes, chosen vals, expiry of the token.

    Use it when a tool is missing or refused, to see which scope is lacking. Asks Val Town nothing; for the
    profile use get_me.
    """
    return _connection_of(context.principal)


@lru_cache(maxsize=1024)
def _connection_of(principal: Principal) -> Connection:
    # Clients ask this at the start of each conversation, and a token says the same as long as it lives.
    expires_at = principal.expires_at
    return Connection(
        credential="x-val-town-token" if principal.legacy else "oauth",
        account=None if principal.legacy else principal.subject,
        client_id=principal.client_id,
        granted=list(principal.granted),
        scopes=sorted(principal.scopes),
        expires_at=None if expires_at is None else datetime.fromtimestamp(expires_at, UTC).isoformat(),
        vals=None if principal.vals is None else sorted(principal.vals),
        note=_LEGACY_NOTE if principal.legacy else None,
    )


_LEGACY_NOTE: Final = (
    "This request used the X-Val-Town-Token header, which is deprecated and reaches the whole account. "
    "Connect with OAuth instead: the person then chooses what is allowed, and can take it back."
)

TOOLS: Final = (whoami,)
