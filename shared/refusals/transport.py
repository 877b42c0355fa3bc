"""Refusals of an HTTP request for what it is, whatever it asks for."""

from shared.refusals.refusal import ALLOW, CACHE_CONTROL, RETRY_AFTER, Refusal, Remedy

_AUTH = "auth_server"
_BOTH = "both"
_MCP = "/mcp"


def _fix(
    status: int, where: str, when: str, *headers: str, code: str | int | None = "invalid_request"
) -> Refusal:
    return Refusal(code, status, where, when, Remedy.FIX, headers)


MALFORMED_HEAD = _fix(400, _BOTH, "the head is no HTTP, or its target names another host", code=None)
SEVERAL_HOSTS = _fix(400, _BOTH, "there is more than one Host header")
MALFORMED_LENGTH = _fix(400, _BOTH, "Content-Length is malformed or occurs twice", CACHE_CONTROL)
CUT_OFF = _fix(400, _BOTH, "the connection closed before the body was complete", CACHE_CONTROL)
FOREIGN_ORIGIN = _fix(403, _MCP, "the Origin is not one of those allowed", CACHE_CONTROL)
NOT_FOUND = _fix(404, _AUTH, "there is nothing at this URL", code="not_found")
MCP_NOT_FOUND = _fix(404, "below /mcp", "the MCP endpoint is elsewhere", CACHE_CONTROL)
OTHER_NOT_FOUND = _fix(404, "mcp_server outside /mcp", "there is nothing at this URL", code=None)
WRONG_METHOD = _fix(405, _AUTH, "the URL has other methods", ALLOW, code="method_not_allowed")
MCP_WRONG_METHOD = _fix(405, _MCP, "the method is not POST", ALLOW, CACHE_CONTROL)
OTHER_WRONG_METHOD = _fix(405, "mcp_server outside /mcp", "the URL has other methods", ALLOW, code=None)
SLOW_HEAD = Refusal(None, 408, _BOTH, "the head was not complete within 10 s", Remedy.WAIT)
SLOW_BODY = Refusal(
    "invalid_request", 408, _BOTH, "the body was not complete within 10 s", Remedy.WAIT, (CACHE_CONTROL,)
)
LARGE_BODY = _fix(413, _BOTH, "the body is larger than this endpoint reads", CACHE_CONTROL)
LONG_TARGET = _fix(414, _BOTH, "the URL is longer than 48 KiB")
ENCODED_BODY = _fix(415, _BOTH, "the body has a Content-Encoding", CACHE_CONTROL)
WRONG_MEDIA_TYPE = _fix(415, _BOTH, "the Content-Type is not one that this endpoint reads", CACHE_CONTROL)
WRONG_HOST = _fix(421, _MCP, "this server does not answer for this Host", CACHE_CONTROL)
LARGE_HEADERS = _fix(431, _BOTH, "the headers are larger than 32 KiB")
LARGE_HEAD = _fix(431, _BOTH, "the head is larger than 64 KiB and still not complete", code=None)
OVERLOADED = Refusal(
    "temporarily_unavailable",
    503,
    _BOTH,
    "one process has all the requests or connections it takes, or ends",
    Remedy.WAIT,
    (RETRY_AFTER, CACHE_CONTROL),
)
NOT_READY = Refusal(
    None, 503, "/readyz", "the service cannot serve yet", Remedy.WAIT, (RETRY_AFTER, CACHE_CONTROL)
)

TRANSPORT = (
    MALFORMED_HEAD,
    SEVERAL_HOSTS,
    MALFORMED_LENGTH,
    CUT_OFF,
    FOREIGN_ORIGIN,
    NOT_FOUND,
    MCP_NOT_FOUND,
    OTHER_NOT_FOUND,
    WRONG_METHOD,
    MCP_WRONG_METHOD,
    OTHER_WRONG_METHOD,
    SLOW_HEAD,
    SLOW_BODY,
    LARGE_BODY,
    LONG_TARGET,
    ENCODED_BODY,
    WRONG_MEDIA_TYPE,
    WRONG_HOST,
    LARGE_HEADERS,
    LARGE_HEAD,
    OVERLOADED,
    NOT_READY,
)
"""By status. At `/mcp` whatever has the code `invalid_request` here is the JSON-RPC error -32600."""
