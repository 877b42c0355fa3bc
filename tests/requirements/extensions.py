"""P to F: what each extension of OAuth asks of us."""

from tests.requirements.entry import Requirement

NO_DPOP = "DPoP is not offered: metadata names no algorithm for it, tokens are Bearer."

EXTENSIONS = {
    "P1": Requirement("RFC 7636 §4.1", "A verifier has 43 to 128 unreserved characters."),
    "P2": Requirement("RFC 7636 §4.2", "An S256 challenge is 43 base64url characters."),
    "P3": Requirement("RFC 7636 §4.6", "The challenge is no verifier."),
    "D1": Requirement("RFC 7591 §3.2.1", "A registration is 201, uncached, with all that was registered."),
    "D2": Requirement(
        "RFC 7591 §3.2.2",
        "A bad redirect URI is `invalid_redirect_uri`, other faults `invalid_client_metadata`.",
    ),
    "D3": Requirement(
        "RFC 7591 §2, §2.1",
        "Basic is the default method; grant and response types we do not have are refused.",
    ),
    "D4": Requirement(
        "RFC 7591 §5",
        "Registration is limited, and its texts are escaped wherever they show.",
    ),
    "D5": Requirement("RFC 7591 §5", "No URL in a registration is ever fetched."),
    "M1": Requirement(
        "RFC 8414 §3.3", "The issuer is the configured one, byte for byte, whatever Host says."
    ),
    "M2": Requirement(
        "RFC 8414 §2; MCP authorization", "Metadata says S256, `iss` in answers, and what else works."
    ),
    "M3": Requirement("RFC 8414 §3.1", "An issuer with a path has its metadata where clients look for it."),
    "R1": Requirement("RFC 9728 §3.3", "Resource metadata names exactly this resource and its issuer."),
    "R2": Requirement(
        "RFC 9728 §5.1", "Challenges carry the URL of the resource metadata, independent of Host."
    ),
    "R3": Requirement(
        "RFC 9728 §7.7", "Keys are fetched from the configured issuer alone, without redirects."
    ),
    "I1": Requirement(
        "RFC 8707 §2", "A resource that is relative, has a fragment or is unknown: `invalid_target`."
    ),
    "I2": Requirement(
        "RFC 8707 §2.2", "At the token endpoint another resource is `invalid_target`, and nothing is used up."
    ),
    "J1": Requirement("RFC 9068 §2", "Access tokens are `at+jwt`, RS256, with every required claim."),
    "J2": Requirement(
        "RFC 9068 §4", "The resource server checks type, algorithm, signature, issuer, audience, time."
    ),
    "S1": Requirement("RFC 9207 §2", "`iss` is in the answer to every authorization request, good or bad."),
    "V1": Requirement("RFC 7009 §2.2", "Revoking what is unknown, expired or garbage is 200."),
    "V2": Requirement(
        "RFC 7009 §2.1", "Both tokens can be revoked, by their client alone; the hint is a hint."
    ),
    "V3": Requirement(
        "RFC 7009 §2.2.1", "A revocation that cannot be kept is 503 with Retry-After, never 200."
    ),
    "N1": Requirement(
        "RFC 7662 §2.1, §2.2",
        "Introspection needs an authenticated caller; what is dead is `active: false` alone.",
    ),
    "B1": Requirement(
        "RFC 8725 §3",
        "Algorithm pinned, no `none`, keys of 2048 bits or more, header keys and URLs distrusted.",
    ),
    "X1": Requirement("RFC 9449", "Tokens bound to a key of the client (DPoP).", NO_DPOP),
    "F1": Requirement(
        "FAPI 2.0 §5.3.2.1", "A client that lost a refresh answer can ask again with the same token."
    ),
    "F2": Requirement(
        "FAPI 2.0 §5.3.2.1",
        "Clocks of assertions and proofs may be a little ahead.",
        "DPoP proofs are not offered; client assertions are tested.",
    ),
    "F3": Requirement(
        "FAPI 2.0 §5.3.2.1",
        "Codes live 60 seconds or less; an assertion names the issuer as its only audience.",
    ),
}
