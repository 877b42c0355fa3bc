"""C1 to C21: MCP authorization, transport and security practices of the revision 2026-07-28."""

from tests.requirements.entry import Requirement

MCP_AUTHORIZATION = {
    "C1": Requirement(
        "MCP authorization; RFC 8707 §2", "A token for any audience but exactly this one is refused."
    ),
    "C2": Requirement(
        "MCP security: token passthrough", "Val Town never sees a token of ours, only its own."
    ),
    "C3": Requirement(
        "MCP security: confused deputy", "Each client needs its own consent, also in a live session."
    ),
    "C4": Requirement(
        "GHSA-rww4-4w9c-7733", "Consent belongs to the browser that began, once, for ten minutes."
    ),
    "C5": Requirement(
        "MCP security: confused deputy", "Cookies are `__Host-`, Secure, HttpOnly, SameSite=Lax."
    ),
    "C6": Requirement(
        "MCP security: confused deputy", "Consent needs a token against forgery and cannot be framed."
    ),
    "C7": Requirement(
        "MCP security: confused deputy", "Consent shows the redirect host and warns of loopback."
    ),
    "C8": Requirement("CIMD §3", "A client's document says the client_id it was fetched by."),
    "C9": Requirement("CIMD §8.6", "Fetching a document reaches no address inside."),
    "C10": Requirement(
        "MCP authorization: scope challenge", "A 403 names all scopes needed, `offline_access` never."
    ),
    "C11": Requirement(
        "MCP security: state handles",
        "A handle of another person is as good as a random one.",
    ),
    "C12": Requirement("MCP transport", "A foreign Origin is 403, none is fine."),
    "C13": Requirement("MCP transport", "A foreign Host is refused."),
    "C14": Requirement(
        "MCP transport", "Headers that differ from the body, versions and methods each have their error."
    ),
    "C15": Requirement("MCP authorization", "Each request brings its token; a connection remembers nobody."),
    "C16": Requirement("MCP authorization: errors", "Bad token 401, malformed 400, too little scope 403."),
    "C17": Requirement(
        "OAuth 2.1 §4.1.1; RFC 7592 §2.2",
        "A redirect URI that was replaced is not accepted any more.",
    ),
    "C18": Requirement("OAuth 2.1 §4.3.1", "Refresh tokens of public clients rotate."),
    "C19": Requirement("MCP caching", "What depends on the person is cached privately."),
    "C20": Requirement(
        "MCP transport 2025-11-25", "Handshake revisions get no session id, and none authenticates."
    ),
    "C21": Requirement(
        "MCP transport 2026-07-28", "Session ids and `Last-Event-ID` are ignored and never sent."
    ),
}
