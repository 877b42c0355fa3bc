"""H, I and J: attacks on access tokens, on the MCP layer and on HTTP itself."""

from tests.requirements.entry import Requirement

ACCESS_TOKENS = {
    "H149": Requirement("RFC 8725 §3.2", "`alg` none in any case, or no signature."),
    "H150": Requirement("RFC 8725 §3.1", "A MAC made with the public key."),
    "H151": Requirement("RFC 8725 §3.1", "`alg` missing or null."),
    "H152": Requirement("RFC 8725 §3.1", "Another algorithm than the key's."),
    "H153": Requirement("RFC 8725 §3.10", "A key inside the token."),
    "H154": Requirement("RFC 8725 §3.10", "A key behind a URL in the token: refused and not fetched."),
    "H155": Requirement("RFC 8725 §3.10", "A certificate inside the token."),
    "H156": Requirement("RFC 8725 §3.10", "Odd key ids."),
    "H157": Requirement("RFC 7515 §4.1.4", "No key id."),
    "H158": Requirement("RFC 7515 §4.1.11; CVE-2025-59420", "Critical extensions we do not know."),
    "H159": Requirement("RFC 9068 §4; RFC 8725 §3.11", "Another type of JWT."),
    "H160": Requirement("RFC 7519 §4.1.4", "An expiry that is missing, past or no number."),
    "H161": Requirement("RFC 7519 §4.1.5, §4.1.6", "Not valid yet, or issued in the future."),
    "H162": Requirement("RFC 7519 §4.1.4", "Clock skew up to the leeway and no further."),
    "H163": Requirement("RFC 9068 §4", "An audience that is not exactly this resource."),
    "H164": Requirement("RFC 9068 §4", "Another issuer."),
    "H165": Requirement("RFC 9068 §2.2", "A required claim is missing or of another type."),
    "H166": Requirement("RFC 7519 §4", "A claim twice."),
    "H167": Requirement("RFC 7519 §7.2", "A payload that is no object, too deep or too large."),
    "H168": Requirement(
        "RFC 7515 §2, §7.1", "Encodings that are not the canonical one, other numbers of parts."
    ),
    "H169": Requirement("RFC 7515 §7.2", "The JSON serialisation."),
    "H170": Requirement("RFC 8725 §3.8", "A good signature under another issuer."),
    "H171": Requirement("RFC 8725 §3.12", "Another kind of JWT of ours."),
    "H172": Requirement(
        "RFC 8725 §3.10",
        "A key that was withdrawn, or that was never published.",
    ),
    "H173": Requirement("RFC 7009 §2.1", "A revoked token or grant."),
    "H174": Requirement(
        "RFC 7009 §2.1",
        "The token of a person or grant that is gone.",
    ),
    "H175": Requirement("OAuth 2.1 §5.1", "A token anywhere but in the header."),
    "H176": Requirement("RFC 9110 §5.3", "Two Authorization headers, or two tokens in one."),
    "H177": Requirement("RFC 6750 §2.1", "An empty or misspelled Authorization header."),
    "H178": Requirement("RFC 6585 §5", "A header of 64 KiB."),
}

MCP = {
    "I179": Requirement("MCP authorization", "No method without a token."),
    "I180": Requirement("MCP transport", "A batch where the revision has none."),
    "I181": Requirement("JSON-RPC 2.0 §4, §5.1", "Messages that are no JSON or no JSON-RPC."),
    "I182": Requirement("MCP transport", "A notification is 202 without a body."),
    "I183": Requirement("MCP transport", "Headers that do not say what the body says."),
    "I184": Requirement("MCP versioning", "No version, or an unknown one."),
    "I185": Requirement("MCP tools; JSON-RPC 2.0 §5.1", "An unknown tool, an unknown method."),
    "I186": Requirement("CWE-22", "Arguments cannot leave the endpoint they belong to."),
    "I187": Requirement(
        "MCP authorization: scope challenge", "A tool above the grant: 403, and nothing runs."
    ),
    "I188": Requirement("OAuth 2.1 §1.4.1", "A scope is a whole word in exact case."),
    "I189": Requirement("CVE-2023-28858", "Calls of many people at once are never mixed up."),
    "I190": Requirement("MCP authorization", "A stream ends when its token does."),
    "I191": Requirement("MCP cancellation", "A client that leaves takes its call along."),
    "I192": Requirement("CWE-770", "An answer that is too large becomes an error."),
    "I193": Requirement("MCP tools", "A Val Town credential that died is a tool's error, not a 401 of ours."),
    "I194": Requirement("CWE-532", "An error of Val Town's that contains the credential is cleaned."),
    "I195": Requirement("CWE-150", "Control sequences in a result are data."),
    "I196": Requirement("MCP transport", "Foreign Origin or Host."),
    "I197": Requirement("Fetch §3.2", "Preflights name exactly what is allowed."),
    "I198": Requirement("MCP security: state handles", "Handles that are guessed, others' or expired."),
    "I199": Requirement("MCP subscriptions", "Lists show what is one's own."),
    "I200": Requirement("JSON-RPC 2.0 §4", "The same id twice at once: independent."),
}

HTTP = {
    "J201": Requirement(
        "RFC 9112 §6.1",
        "Length and chunked coding together.",
    ),
    "J202": Requirement(
        "RFC 9112 §6.3, §7.1",
        "A length or a chunk that is odd, lines that end oddly.",
    ),
    "J203": Requirement(
        "RFC 9112 §3.2",
        "Two Host headers.",
    ),
    "J204": Requirement("RFC 9112 §3.2.2", "An absolute request target."),
    "J205": Requirement(
        "RFC 9110 §7.2",
        "A Host that is more than a host.",
    ),
    "J206": Requirement("RFC 9110 §15.5.14", "A huge body is cut early."),
    "J207": Requirement("CWE-400", "Slow headers and bodies are cut."),
    "J208": Requirement("CWE-400", "Thousands of idle connections."),
    "J209": Requirement(
        "RFC 9112 §9.3.2",
        "Old versions and pipelining.",
    ),
    "J210": Requirement("RFC 9110 §8.4", "A compressed body."),
    "J211": Requirement(
        "CVE-2025-62727", "Ranges.", "No file is served, so there is nothing to take a range of."
    ),
    "J212": Requirement("CWE-113", "A line break on its way into a header."),
    "J213": Requirement("RFC 9110 §11.6.1", "A quote in a challenge."),
    "J214": Requirement("CWE-209", "Error pages show nothing of the inside and carry the security headers."),
    "J215": Requirement("RFC 9111", "Metadata and keys may be cached for a while, and set no cookie."),
    "J216": Requirement("CWE-117, CWE-532", "One event is one line, without any secret."),
}
