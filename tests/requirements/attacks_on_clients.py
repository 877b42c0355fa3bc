"""D77 to D93 and G: attacks on client authentication, registration and client metadata documents."""

from tests.requirements.entry import Requirement
from tests.requirements.extensions import NO_DPOP

CLIENT_AUTHENTICATION = {
    "D77": Requirement("OAuth 2.1 §2.4", "Basic and a secret in the body: `invalid_request`."),
    "D78": Requirement("OAuth 2.1 §2.4", "Different ids in Basic and body: refused."),
    "D79": Requirement("OAuth 2.1 §2.4", "A client with a secret that sends only its id: 401."),
    "D80": Requirement("OAuth 2.1 §2.4", "A client without a secret that sends one: refused."),
    "D81": Requirement("OAuth 2.1 §2.4.1", "Who has a secret may send it by Basic or in the body."),
    "D82": Requirement("OAuth 2.1 §2.4.1", "An empty secret: `invalid_client`."),
    "D83": Requirement(
        "OAuth 2.1 §2.4.1", "A part, an extension or another case of the secret: `invalid_client`."
    ),
    "D84": Requirement("RFC 7617 §2", "Malformed Basic, or two Authorization headers: refused."),
    "D85": Requirement("CWE-770", "A secret with NUL or of a megabyte is refused at once."),
    "D86": Requirement("OAuth 2.1 §2.4.1", "A secret in the query is never read."),
    "D87": Requirement("RFC 7523 §3", "A client assertion works once."),
    "D88": Requirement("RFC 7523 §3", "Malformed or foreign client assertions fail."),
    "D89": Requirement(
        "RFC 7591 §3.2.1",
        "A secret past its expiry: `invalid_client`.",
        "Secrets do not expire: `client_secret_expires_at` is 0.",
    ),
    "D90": Requirement("RFC 9449 §4.3", "Every check of a proof.", NO_DPOP),
    "D91": Requirement("RFC 9449 §11.1", "A proof works once.", NO_DPOP),
    "D92": Requirement("RFC 9449 §5", "A bound refresh token fails with another key.", NO_DPOP),
    "D93": Requirement(
        "CWE-208",
        "Unknown client and wrong secret take the same time.",
        "Times are not asserted. Secrets are compared as hashes in constant time; a client_id is no secret.",
    ),
}

REGISTRATION = {
    "G125": Requirement(
        "RFC 7591 §3.2.2", "Redirect URIs missing, of another type, too long or too many: refused."
    ),
    "G126": Requirement(
        "RFC 7591 §3.2.2; OAuth 2.1 §2.3.1", "Redirect URIs that are unsafe: `invalid_redirect_uri`."
    ),
    "G127": Requirement("RFC 7591 §2, §3.1", "Unknown metadata and credentials in the request are ignored."),
    "G128": Requirement("RFC 8259; CWE-20", "JSON that parsers disagree on: 400."),
    "G129": Requirement("RFC 7591 §3.1", "Another content type: refused."),
    "G130": Requirement(
        "RFC 7591 §5", "A name with markup, direction marks or of any length cannot deceive."
    ),
    "G131": Requirement("RFC 7591 §5", "URLs in a registration are never fetched."),
    "G132": Requirement("RFC 7591 §2", "A private key in `jwks`: refused."),
    "G133": Requirement("RFC 7591 §2", "Method `none` gives no secret; an unknown method is refused."),
    "G134": Requirement("RFC 7591 §5", "A flood is limited, memory stays bounded, unused clients go."),
    "G135": Requirement("RFC 7592 §2", "Another client's management token: 401."),
    "G136": Requirement("CIMD §3", "URLs that may not be a client_id."),
    "G137": Requirement("CIMD §4.1", "A document with another client_id."),
    "G138": Requirement("CIMD §5", "A document behind a redirect."),
    "G139": Requirement("CIMD §5", "Errors and garbage instead of a document."),
    "G140": Requirement("CIMD §8.7", "A document that is too large."),
    "G141": Requirement("CIMD §8.7; CWE-409", "A document that unpacks to too much."),
    "G142": Requirement("CIMD §8.7; CWE-770", "A document that comes a byte a second."),
    "G143": Requirement("CIMD §8.6; CWE-918", "Addresses inside the network, however written."),
    "G144": Requirement("CIMD §5", "Caching by the document's headers, within limits."),
    "G145": Requirement("CIMD §5; CWE-770", "One fetch for many requests, and a bounded cache."),
    "G146": Requirement("CIMD §4.1", "Secrets in a public document."),
    "G147": Requirement("CIMD §3", "A document's id that is also a registered client's."),
    "G148": Requirement("CIMD §5", "Redirect URIs that changed since the document was cached."),
}
