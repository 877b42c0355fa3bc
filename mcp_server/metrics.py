"""What the MCP server counts beside what both services do (`shared.metrics`)."""

from typing import Final

from mcp_types.methods import CLIENT_REQUESTS

from mcp_server.protocol.versions import SUPPORTED
from shared.refusals.json_rpc import JSON_RPC
from shared.series import Counts, Levels, Timings

MESSAGES: Final = Counts(
    "mcp_requests_total",
    "JSON-RPC requests by the revision of MCP they speak.",
    {"revision": SUPPORTED, "method": sorted({method for method, _ in CLIENT_REQUESTS})},
)
MESSAGE_SERIES: Final = {
    (revision, method): MESSAGES.of(revision, method)
    for method, revision in sorted(CLIENT_REQUESTS)
    if revision in SUPPORTED
}
"""Found once, because every request looks here; what is not in it is counted by `MESSAGES` as `other`."""

TOOL_CALLS: Final = Counts(
    "mcp_tool_calls_total",
    "Tool calls by how they ended; a tool that does not exist is `other`.",
    {
        "tool": None,
        "outcome": ("ok", "error", "asked", "refused", "failed", "cancelled"),
    },
)
TOOL_SECONDS: Final = Timings("mcp_tool_call_duration_seconds", "Time of a tool call.", {"tool": None})
REFUSALS: Final = Counts(
    "mcp_refusals_total",
    "Requests to the MCP endpoint that were refused, by reason.",
    {
        "reason": (
            "no_credentials",
            "invalid_request",
            "invalid_token",
            "insufficient_scope",
            "unreadable",
            "wrong_target",
            "keys_unavailable",
            "revocation_unknown",
            "store_unavailable",
            "encryption_key",
            "internal_error",
            *(str(row.code) for row in JSON_RPC),
        )
    },
)
TOKEN_REFUSALS: Final = Counts(
    "mcp_token_refusals_total",
    "Access tokens that were refused, by what is wrong with them.",
    {
        "reason": (
            "malformed",
            "unknown_key",
            "revoked_key",
            "signature",
            "issuer",
            "audience",
            "expired",
            "not_valid_yet",
            "claims",
            "revoked",
        )
    },
)
LEGACY_REQUESTS: Final = Counts(
    "mcp_legacy_token_requests_total", "Requests with X-Val-Town-Token: zero when the migration is done."
)
KEY_SET_FETCHES: Final = Counts(
    "mcp_jwks_fetches_total",
    "Reads of the issuer's key set, by how they ended.",
    {"outcome": ("ok", "failed")},
)
KEY_SET_AGE: Final = Levels("mcp_jwks_age_seconds", "Time since the issuer's key set was read.")
KEY_SET_KEYS: Final = Levels("mcp_jwks_keys", "Keys in the issuer's key set that can be used.")
FEED_CONNECTED: Final = Levels(
    "mcp_revocation_feed_connected", "1 while this replica follows the revocation feed, else 0."
)
FEED_AGE: Final = Levels(
    "mcp_revocation_feed_age_seconds",
    "Time since the last beat that came back was sent; over 5 every request is answered 503.",
)
FEED_ENTRIES: Final = Levels("mcp_revocation_entries", "Revocations that this replica keeps.")
FEED_LOSSES: Final = Counts(
    "mcp_revocation_feed_losses_total", "Times the feed was lost or fell silent, and was followed anew."
)
USAGE_WAITING: Final = Levels(
    "mcp_usage_grants_waiting", "Grants whose calls wait to be written to the store."
)
USAGE_DROPPED: Final = Counts(
    "mcp_usage_records_dropped_total", "Calls that were not counted, because too many grants wait already."
)
