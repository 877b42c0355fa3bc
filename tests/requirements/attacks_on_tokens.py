"""C51 to F124: attacks on codes, refresh tokens and revocation."""

from tests.requirements.entry import Requirement

ROTATION = "OAuth 2.1 §4.3.1; RFC 9700 §4.14.2"

CODES = {
    "C51": Requirement("OAuth 2.1 §3.2.4", "An unknown code: `invalid_grant`."),
    "C52": Requirement(
        "OAuth 2.1 §3.2.4", "A code cut short, made longer or changed by a bit: `invalid_grant`."
    ),
    "C53": Requirement("OAuth 2.1 §4.1.2", "An expired code: `invalid_grant`."),
    "C54": Requirement(
        "OAuth 2.1 §4.1.3, §7.5.2", "A second use, soon or later: `invalid_grant`, and the tokens die."
    ),
    "C55": Requirement("OAuth 2.1 §4.1.3", "Fifty redemptions at once over several replicas: one success."),
    "C56": Requirement("OAuth 2.1 §7.5.2", "A second use with a wrong verifier leaves the tokens alone."),
    "C57": Requirement(
        "OAuth 2.1 §4.1.3", "Another client's code: `invalid_grant`, its owner still succeeds."
    ),
    "C58": Requirement("OAuth 2.1 §4.1.3", "A redirect_uri that is sent and differs: `invalid_grant`."),
    "C59": Requirement("OAuth 2.1 §4.1.3", "A redirect_uri left out: success."),
    "C60": Requirement("OAuth 2.1 §3.2.4", "No grant type, dropped ones, other case: each its own error."),
    "C61": Requirement(
        "OAuth 2.1 §3.2.4", "A grant type the client did not register: `unauthorized_client`."
    ),
    "C62": Requirement(
        "OAuth 2.1 §3.2.4", "A refresh token as code, a code as refresh token: `invalid_grant`."
    ),
    "C63": Requirement("OAuth 2.1 §3.2", "Two codes: `invalid_request`, and neither is used up."),
    "C64": Requirement("OAuth 2.1 §3.2.2", "A JSON body is taken, as strictly as a form."),
    "C65": Requirement("OAuth 2.1 §3.2.2", "A multipart body is refused."),
    "C66": Requirement("OAuth 2.1 §3.2.2", "A content type that only contains the right one is refused."),
    "C67": Requirement("OAuth 2.1 §3.2.2", "A body without a content type is refused."),
    "C68": Requirement("OAuth 2.1 §3.2.2", "A body that is not UTF-8 is refused."),
    "C69": Requirement("CWE-407", "A megabyte of separators is answered at once."),
    "C70": Requirement("CWE-770", "Two hundred thousand fields: 400."),
    "C71": Requirement("OAuth 2.1 §3.2", "Names with brackets or dots are other names."),
    "C72": Requirement("OAuth 2.1 §3.2.2", "A scope in the token request never widens the grant."),
    "C73": Requirement("RFC 8707 §2.2", "Another resource: `invalid_target`, and the code still works."),
    "C74": Requirement("OAuth 2.1 §3.2.4", "The person may not sign in any more: `invalid_grant`."),
    "C75": Requirement("OAuth 2.1 §3.2.4", "The client is gone: `invalid_client`."),
    "C76": Requirement("OAuth 2.1 §3.2.4", "The grant was revoked: `invalid_grant`."),
}

REFRESH = {
    "E94": Requirement(
        ROTATION, "Refreshing gives a new refresh token; the old one is dead after the grace window."
    ),
    "E95": Requirement(
        ROTATION, "Reuse after the window kills the newest refresh token and the access token."
    ),
    "E96": Requirement(ROTATION, "Reuse inside the window gives the same successor, not a second line."),
    "E97": Requirement(ROTATION, "A token two generations old ends the grant, also inside the window."),
    "E98": Requirement(ROTATION, "Rotations within one second are told apart."),
    "E99": Requirement(
        "CVE-2026-1035", "Fifty refreshes at once over several replicas: one successor for all."
    ),
    "E100": Requirement(ROTATION, "The window is counted from the first use and not prolonged by others."),
    "E101": Requirement(
        "OAuth 2.1 §4.3.1", "A retry by another client or with a wrong secret: refused, nothing revoked."
    ),
    "E102": Requirement("CVE-2026-9802", "A restart does not make an old refresh token good again."),
    "E103": Requirement("OAuth 2.1 §4.3.1", "More scope: `invalid_scope`. Less, then all of it again: fine."),
    "E104": Requirement("RFC 8707 §2.2", "Another resource: `invalid_target`, and nothing rotates."),
    "E105": Requirement("OAuth 2.1 §5.2", "A refresh token is no access token."),
    "E106": Requirement("OAuth 2.1 §3.2.4", "An access token is no refresh token."),
    "E107": Requirement("OAuth 2.1 §4.3.3", "A grant ends some day, however often it is refreshed."),
    "E108": Requirement("OAuth 2.1 §4.3.3", "A refresh token that lies unused expires."),
    "E109": Requirement("OAuth 2.1 §4.3.3", "Person, client or consent gone: the refresh token is dead."),
    "E110": Requirement(
        "OAuth 2.1 §4.3.1", "One grant revoked leaves other people's and other clients' alone."
    ),
    "E111": Requirement("OAuth 2.1 §4.3.1", "A forged token that names another grant does nothing to it."),
    "E112": Requirement("OAuth 2.1 §4.3.1", "A random token with a true grant id does nothing to the grant."),
}

REVOCATION = {
    "F113": Requirement(
        "RFC 7009 §2.1", "Revoking a refresh token kills the access tokens at every replica."
    ),
    "F114": Requirement("RFC 7009 §2.1", "Revoking an access token kills that one; the grant lives."),
    "F115": Requirement("RFC 7009 §2.2", "An unknown token: 200."),
    "F116": Requirement("RFC 7009 §2.1", "A wrong hint does not matter."),
    "F117": Requirement("RFC 7009 §2.1", "Another client's token stays alive."),
    "F118": Requirement("RFC 7009 §2.1", "GET is 405; a token in the query is not read."),
    "F119": Requirement("RFC 7009 §2.2", "Twice is 200 twice."),
    "F120": Requirement("RFC 7009 §2.2.1", "Without the store: 503."),
    "F121": Requirement("RFC 7009 §2", "Revocation and refresh in a race leave nothing alive."),
    "F122": Requirement("RFC 7662 §2.1, §2.2", "Anonymous: 401. A token of others: inactive."),
    "F123": Requirement("RFC 7662 §2.2", "Everything dead or unreadable gets the same answer."),
    "F124": Requirement("RFC 7662 §2.2; RFC 6749 §5.1", "Answers are not stored by caches."),
}
