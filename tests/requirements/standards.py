"""Which standards are met, and what of each is missing: said here once, and shown in docs/standards.md."""

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How much of a standard is there, of what binds servers like these two."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Standard:
    """One standard.

    Attributes:
        name: how the sources of the manifest call it.
        title: what it is about.
        level: how much of it is there.
        note: what is missing or left out, and why; what is special where nothing is missing.
    """

    name: str
    title: str
    level: Level
    note: str


STANDARDS = (
    Standard(
        "OAuth 2.1",
        "the framework, draft-ietf-oauth-v2-1-16",
        Level.COMPLETE,
        "Codes with PKCE, and refresh tokens. No client credentials: every token here is a person's.",
    ),
    Standard(
        "RFC 6749",
        "OAuth 2.0",
        Level.PARTIAL,
        "What OAuth 2.1 kept. The implicit and password grants are gone for good.",
    ),
    Standard(
        "RFC 6750",
        "bearer tokens",
        Level.PARTIAL,
        "The Authorization header alone. Tokens in a form or in the query are refused, as OAuth 2.1 wants.",
    ),
    Standard("RFC 7009", "revocation", Level.COMPLETE, "Heard by every resource server within a second."),
    Standard("RFC 7515, 7517, 7519", "JWS, JWK, JWT", Level.COMPLETE, "Compact form, asymmetric keys alone."),
    Standard(
        "RFC 7523",
        "client assertions",
        Level.PARTIAL,
        "For client authentication, stricter: the issuer alone as audience, ten minutes at most, used once. "
        "No assertions as grants.",
    ),
    Standard(
        "RFC 7591",
        "dynamic client registration",
        Level.PARTIAL,
        "Open registration. No software statements, no initial access tokens.",
    ),
    Standard(
        "RFC 7592",
        "management of registrations",
        Level.COMPLETE,
        "Read, replace, remove. A client that several registrations share is changed by none of them.",
    ),
    Standard("RFC 7636", "PKCE", Level.COMPLETE, "S256 for every client. `plain` is refused."),
    Standard(
        "RFC 7662",
        "introspection",
        Level.PARTIAL,
        "For a client's own tokens. Resource servers check tokens themselves, and ask nobody.",
    ),
    Standard("RFC 8252", "native apps", Level.COMPLETE, "Loopback with any port, and private-use schemes."),
    Standard("RFC 8414", "server metadata", Level.COMPLETE, "Also where OpenID clients look. Not signed."),
    Standard("RFC 8628", "device authorization", Level.NONE, "Nobody asked for it yet."),
    Standard("RFC 8693", "token exchange", Level.NONE, "Out of scope."),
    Standard("RFC 8705", "mutual TLS", Level.NONE, "TLS ends before these servers."),
    Standard("RFC 8707", "resource indicators", Level.PARTIAL, "One resource for each token, never several."),
    Standard("RFC 8725", "JWT best practice", Level.COMPLETE, "Held by the resource server for every token."),
    Standard("RFC 9068", "JWT access tokens", Level.COMPLETE, "With the grant's id as one more claim."),
    Standard("RFC 9101", "request objects", Level.NONE, "Refused by name; a `request_uri` is never fetched."),
    Standard("RFC 9126", "pushed authorization requests", Level.NONE, "Not offered."),
    Standard("RFC 9207", "issuer identification", Level.COMPLETE, "In success and error."),
    Standard(
        "RFC 9396",
        "rich authorization requests",
        Level.PARTIAL,
        "Which vals a grant is limited to is in its tokens; clients cannot ask for it.",
    ),
    Standard("RFC 9449", "DPoP", Level.NONE, "Tokens are Bearer; short lives and revocation limit a theft."),
    Standard(
        "RFC 9700",
        "security best practice",
        Level.PARTIAL,
        "All that binds this server; of what it recommends, tokens bound to a key of the client are missing.",
    ),
    Standard("RFC 9728", "protected resource metadata", Level.COMPLETE, "Both well-known forms. Not signed."),
    Standard(
        "CIMD",
        "client ID metadata documents, draft-ietf-oauth-client-id-metadata-document-03",
        Level.COMPLETE,
        "Fetched from the public internet alone; redirect URIs that no client may have are left out.",
    ),
    Standard(
        "OpenID Connect Core",
        "identity",
        Level.NONE,
        "No ID tokens. `prompt` is understood, and the discovery URL shows the same metadata.",
    ),
    Standard(
        "FAPI 2.0",
        "financial-grade profile",
        Level.NONE,
        "Only a source of tests: it wants tokens bound to keys, and clients that were registered.",
    ),
    Standard(
        "MCP authorization",
        "revision 2026-07-28, and the older ones that clients still use",
        Level.PARTIAL,
        "Discovery, registration in all its ways, audience, step-up by challenge. No client credentials.",
    ),
)
