"""What a call does, in the annotations that clients see (MCP "ToolAnnotations")."""

from typing import Final

from mcp_server.tools.registry import Annotations

READS: Final = Annotations(read_only=True, destructive=False, idempotent=True)
ADDS: Final = Annotations(read_only=False, destructive=False, idempotent=False)
SETS: Final = Annotations(read_only=False, destructive=True, idempotent=True)
"""Replaces or removes; a second time changes nothing more."""

EDITS: Final = Annotations(read_only=False, destructive=True, idempotent=False)
"""Changes what is there, and a second time changes it again."""
