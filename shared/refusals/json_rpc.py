"""JSON-RPC errors of the MCP endpoint (JSON-RPC 2.0 section 5.1; MCP 2026-07-28 "Error codes").

Clients of the revisions that open with `initialize` read any status but 200 as a broken transport and never
look at the error, so there an error of one message is 200.
"""

from shared.refusals.refusal import CACHE_CONTROL, Remedy, RpcRefusal

UNREADABLE_BODY = 400
"""The status, in every revision and for every code, when a body is refused as a whole."""


def _rpc(code: int, status: int, when: str, remedy: Remedy, *, handshake: int = 200) -> RpcRefusal:
    return RpcRefusal(code, status, "/mcp", when, remedy, (CACHE_CONTROL,), handshake_status=handshake)


PARSE_ERROR = _rpc(-32700, 400, "the body is not one unambiguous JSON text", Remedy.FIX, handshake=400)
INVALID_REQUEST = _rpc(
    -32600, 400, "the JSON is no message, or a batch where the revision has none", Remedy.FIX, handshake=400
)
METHOD_NOT_FOUND = _rpc(-32601, 404, "the revision or this server has no such method", Remedy.FIX)
INVALID_PARAMS = _rpc(
    -32602, 400, "parameters do not fit, or name a tool, resource or prompt that is not there", Remedy.FIX
)
INTERNAL_ERROR = _rpc(-32603, 500, "a fault of ours that nobody foresaw", Remedy.SHOW, handshake=500)
HEADER_MISMATCH = _rpc(
    -32020,
    400,
    "an MCP header is missing, repeated, or says something else than the body",
    Remedy.FIX,
    handshake=400,
)
MISSING_CAPABILITY = _rpc(
    -32021,
    400,
    "the call needs a capability that the client did not declare; before 2026-07-28 it is -32602",
    Remedy.SHOW,
)
UNSUPPORTED_VERSION = _rpc(
    -32022,
    400,
    "the revision is not served; `data.supported` lists those that are",
    Remedy.FIX,
    handshake=400,
)
UPSTREAM_FAILED = _rpc(502, 200, "Val Town did not give a resource or what a prompt needs", Remedy.SHOW)

JSON_RPC = (
    PARSE_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    INVALID_PARAMS,
    INTERNAL_ERROR,
    HEADER_MISMATCH,
    MISSING_CAPABILITY,
    UNSUPPORTED_VERSION,
    UPSTREAM_FAILED,
)
"""`status` is that of revision 2026-07-28."""
