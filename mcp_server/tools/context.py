"""What a tool gets from the layer above: the caller, Val Town as that caller sees it, a way to report."""

from typing import Protocol

from mcp_server.auth.principal import Principal
from shared.valtown.client import ValTownClient


class ToolContext(Protocol):
    """One tool call; nothing in it outlives the call."""

    @property
    def principal(self) -> Principal:
        """The caller."""

    async def valtown(self) -> ValTownClient:
        """Return Val Town as the caller sees it; the credential is looked up at the first use.

        Raises:
            Unauthorized: the grant has no credential any more.
        """

    async def report_progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        """Tell the client how far the call is; `progress` must grow. Does nothing when nobody asked."""

    async def log(self, level: str, data: object) -> None:
        """Send a log message (MCP level names) to the client. Does nothing when nobody asked."""
