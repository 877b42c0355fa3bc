"""K and L: attacks on sessions, sign-in and consent, and on the Val Town credentials we keep."""

from tests.requirements.entry import Requirement

PAGES = {
    "K217": Requirement("OWASP ASVS 7.2; CWE-384", "Signing in makes a new session id."),
    "K218": Requirement("OAuth 2.1 §7.12; CWE-352", "No form works from another site."),
    "K219": Requirement("GHSA-6x8h-498w-gv8c", "Consent is asked each time it could be somebody else's."),
    "K220": Requirement("OAuth 2.1 §4.1.2.1", "Denial: `access_denied` with `state` and `iss`."),
    "K221": Requirement("RFC 6265 §4.1.2", "Cookies carry every flag and the `__Host-` prefix."),
    "K222": Requirement("CWE-565", "A changed cookie is none; a true one works at every replica."),
    "K223": Requirement("CWE-441", "What one person began another cannot approve."),
    "K224": Requirement(
        "CWE-307, CWE-204",
        "Guessing at sign-in is slowed down and learns nothing about accounts.",
    ),
    "K225": Requirement("RFC 9700 §4.16", "Every page forbids to be framed."),
    "K226": Requirement("CWE-79", "Nothing from a request or a registration is markup on a page."),
    "K227": Requirement("OAuth 2.1 §7.5.2", "Back and approve again: no second code."),
}

CUSTODY = {
    "L228": Requirement("CWE-312", "A dump of the store holds no credential in the clear."),
    "L229": Requirement("NIST SP 800-38D", "A flipped bit in what is sealed fails closed, and is reported."),
    "L230": Requirement("NIST SP 800-38D", "What is sealed for one grant does not open for another."),
    "L231": Requirement("CWE-294", "An older sealed value of the same grant."),
    "L232": Requirement("NIST SP 800-38D §8.2", "No nonce is used twice."),
    "L233": Requirement(
        "NIST SP 800-57", "Encryption keys change: older ones still open, and what they sealed moves on."
    ),
    "L234": Requirement("CWE-226", "Revoking deletes the sealed credential."),
    "L235": Requirement(
        "CWE-307",
        "A credential that does not work is never stored.",
    ),
    "L236": Requirement("CWE-532", "Credentials are in no URL, log, error or representation."),
    "L237": Requirement("CWE-200", "A redirect of Val Town's does not take the credential along."),
    "L238": Requirement(
        "CWE-918", "Val Town's address comes from the configuration; arguments cannot change it."
    ),
}
