"""A and B: attacks on the authorization endpoint and on PKCE."""

from tests.requirements.entry import Requirement

EXACT = "OAuth 2.1 §4.1.1; RFC 9700 §4.1.3"

AUTHORIZATION = {
    "A1": Requirement("OAuth 2.1 §4.1.2.1", "No client_id: a page of ours."),
    "A2": Requirement("OAuth 2.1 §4.1.2.1", "An unknown client_id: a page of ours."),
    "A3": Requirement("OAuth 2.1 §3.1", "Two client_id: a page of ours."),
    "A4": Requirement("OAuth 2.1 §3.1", "Two redirect_uri, in either order: a page of ours."),
    "A5": Requirement(EXACT, "A redirect URI on a host that is not registered: a page of ours."),
    "A6": Requirement(EXACT, "A trailing slash more: a page of ours."),
    "A7": Requirement(EXACT, "A query that is not registered: a page of ours."),
    "A8": Requirement("OAuth 2.1 §2.3", "A fragment, also encoded: a page of ours."),
    "A9": Requirement(EXACT, "Scheme or host in other case: a page of ours."),
    "A10": Requirement(EXACT, "The default port written out: a page of ours."),
    "A11": Requirement(
        "RFC 9700 §4.1.1", "The registered host as user name of another host: a page of ours."
    ),
    "A12": Requirement(
        "RFC 9700 §4.1.1", "Backslashes, plain or encoded, before another host: a page of ours."
    ),
    "A13": Requirement("RFC 9700 §4.1.1", "The registered host as the beginning of another: a page of ours."),
    "A14": Requirement("RFC 9700 §4.1.1", "Dot segments, plain or encoded once or twice: a page of ours."),
    "A15": Requirement(EXACT, "Blanks, control or invisible characters around or inside: a page of ours."),
    "A16": Requirement(EXACT, "The same or a similar host in another script or in punycode: a page of ours."),
    "A17": Requirement(
        "OAuth 2.1 §2.3.1", "Schemes that run or read something are refused wherever they come."
    ),
    "A18": Requirement(
        "RFC 8252 §7.3", "Any port of the registered loopback address; no other path or query."
    ),
    "A19": Requirement("RFC 8252 §7.3", "One spelling of the loopback address does not stand for another."),
    "A20": Requirement("RFC 8252 §7.3", "Loopback over https does not match http."),
    "A21": Requirement("RFC 8252 §7.3", "The port of any other host is part of the comparison."),
    "A22": Requirement("OAuth 2.1 §4.1.1", "With two URIs registered the request must name one."),
    "A23": Requirement("OAuth 2.1 §4.1.2.1", "Response types other than `code` are an error redirect."),
    "A24": Requirement(
        "OAuth 2.0 Multiple Response Types §2.1", "Response modes we lack are refused, not replaced."
    ),
    "A25": Requirement(
        "OAuth 2.1 §4.1.2", "`state` of any size and content comes back exact, and is never a header."
    ),
    "A26": Requirement(
        "OAuth 2.1 §1.4.1, §4.1.2.1", "Scope names we do not know have a defined outcome; broken ones fail."
    ),
    "A27": Requirement("OAuth 2.1 §4.1.2.1", "Thousands of scopes are answered at once."),
    "A28": Requirement(
        "RFC 8707 §2", "Each odd `resource` has its outcome: the default, `invalid_target`, or equality."
    ),
    "A29": Requirement(
        "RFC 9101 §6.1", "Request objects are refused by name, and a request_uri is never fetched."
    ),
    "A30": Requirement("OpenID Connect Core §3.1.2.1", "`prompt=none` never gets a code without the person."),
    "A31": Requirement("OAuth 2.1 §3.1", "POST with a form is like GET or refused; JSON is refused."),
    "A32": Requirement("RFC 9110 §15.5.6", "Other methods are 405 with Allow."),
    "A33": Requirement("OAuth 2.1 §4.1.2", "The query of a registered URI is kept when the answer is added."),
    "A34": Requirement("RFC 9207 §2", "`iss` equals the issuer of the metadata, in success and error."),
    "A35": Requirement("RFC 9700 §4.11", "Signing in leads nowhere that the browser names."),
    "A36": Requirement("OAuth 2.1 §7.5.2", "Two tabs never share a code; a request is answered once."),
    "A37": Requirement("CVE-2026-7571", "Forms cannot change the request they answer."),
}

PKCE = {
    "B38": Requirement("OAuth 2.1 §7.5.1", "No challenge from a public client: `invalid_request`."),
    "B39": Requirement("OAuth 2.1 §7.5.1", "No challenge from a confidential client: `invalid_request`."),
    "B40": Requirement("OAuth 2.1 §4.1.2.1", "Method `plain`: `invalid_request`."),
    "B41": Requirement("OAuth 2.1 §4.1.1", "No method means `plain`: `invalid_request`."),
    "B42": Requirement(
        "OAuth 2.1 §4.1.2.1", "A method in other case, unknown or sent twice: `invalid_request`."
    ),
    "B43": Requirement("RFC 7636 §4.2", "A challenge of other length or alphabet: `invalid_request`."),
    "B44": Requirement("OAuth 2.1 §4.1.3", "No verifier where there was a challenge: 400."),
    "B45": Requirement("RFC 7636 §4.6", "The verifier of another authorization: `invalid_grant`."),
    "B46": Requirement("RFC 7636 §4.6", "The challenge as verifier: `invalid_grant`."),
    "B47": Requirement("RFC 7636 §4.1", "The right verifier with a blank or newline after it: 400."),
    "B48": Requirement("OAuth 2.1 §3.2", "Two verifiers: `invalid_request`, the code is kept."),
    "B49": Requirement("OAuth 2.1 §3.2", "A verifier in the query is not read."),
    "B50": Requirement("OAuth 2.1 §7.5.2", "A hundred wrong verifiers do not cost the owner the code."),
}
