"""O: OAuth 2.1 (section numbers of draft-ietf-oauth-v2-1-16) and the best current practice, RFC 9700."""

from tests.requirements.entry import Requirement

OAUTH = {
    "O1": Requirement(
        "OAuth 2.1 §2.3.1, §4.1.1; RFC 9700 §2.1",
        "A redirect URI is compared as a string; only the port of a loopback address may differ.",
    ),
    "O2": Requirement(
        "OAuth 2.1 §4.1.2.1; RFC 9700 §4.11.2",
        "An unknown client or redirect URI ends on a page of ours, never at the address asked for.",
    ),
    "O3": Requirement(
        "OAuth 2.1 §4.1.2.1",
        "Any other error goes to the registered redirect URI with `error`, the exact `state` and `iss`.",
    ),
    "O4": Requirement(
        "OAuth 2.1 §4.1.1", "A missing or unknown `response_type` is an error of its own kind."
    ),
    "O5": Requirement("OAuth 2.1 §3.1, §3.2", "A parameter sent twice is `invalid_request`."),
    "O6": Requirement("OAuth 2.1 §3.1, §3.2", "A parameter without a value counts as omitted."),
    "O7": Requirement("OAuth 2.1 §3.1, §3.2", "Parameters we do not know change nothing."),
    "O8": Requirement("OAuth 2.1 §7.5.1; RFC 9700 §2.1.1", "No authorization without a code challenge."),
    "O9": Requirement(
        "OAuth 2.1 §4.1.1, §4.1.2.1",
        "S256 works; `plain`, also as the default of an absent method, is refused.",
    ),
    "O10": Requirement(
        "OAuth 2.1 §4.1.3; RFC 9700 §4.8", "A code is redeemed with a verifier, and only with its own."
    ),
    "O11": Requirement(
        "OAuth 2.1 §4.1.3", "A code is of use to its client alone; another's attempt leaves it as it was."
    ),
    "O12": Requirement(
        "OAuth 2.1 §4.1.3, §7.5.2", "A code works once; a valid second use kills what the first one gave."
    ),
    "O13": Requirement("OAuth 2.1 §7.5.2", "A second use that is not valid in itself kills nothing."),
    "O14": Requirement("OAuth 2.1 §4.1.2; FAPI 2.0 §5.3.2.1", "A code lives for 60 seconds."),
    "O15": Requirement(
        "OAuth 2.1 §3.2, §2.4.1", "The token endpoint takes POST alone and no credentials from the URI."
    ),
    "O16": Requirement(
        "OAuth 2.1 §2.4, §3.2.4", "Two ways to authenticate in one request are `invalid_request`."
    ),
    "O17": Requirement("OAuth 2.1 §3.2.4", "Failed Basic authentication is 401 with a Basic challenge."),
    "O18": Requirement(
        "OAuth 2.1 §2.4.1", "A secret may come in the body; in Basic, id and secret are form-encoded first."
    ),
    "O19": Requirement(
        "OAuth 2.1 §2.4.1",
        "Guessing a client's secret is slowed down, its owner not locked out.",
    ),
    "O20": Requirement("OAuth 2.1 §3.2.3", "Token answers, good and bad, are never stored by caches."),
    "O21": Requirement(
        "OAuth 2.1 §3.2.4", "Error texts keep to the allowed characters, whatever the request contained."
    ),
    "O22": Requirement(
        "OAuth 2.1 §4.3.1-4.3.3",
        "A refresh token is of use to its client alone, never widens the scope, and keeps what was granted.",
    ),
    "O23": Requirement(
        "OAuth 2.1 §4.3.1; RFC 9700 §4.14.2",
        "A refresh token used again after the grace window ends the grant and everything issued from it.",
    ),
    "O24": Requirement("OAuth 2.1 §4.3.3", "A refresh token that is not used expires."),
    "O25": Requirement(
        "OAuth 2.1 §5.1", "The resource server takes a token from the Authorization header and nowhere else."
    ),
    "O26": Requirement("OAuth 2.1 §5.1.1", "The scheme `Bearer` may be written in any case."),
    "O27": Requirement(
        "OAuth 2.1 §5.3", "No token: 401 without `error`. A bad one: `invalid_token`. Too little: 403."
    ),
    "O28": Requirement(
        "OAuth 2.1 §3.1", "No CORS where the browser navigates; elsewhere never `*` with credentials."
    ),
    "O29": Requirement(
        "OAuth 2.1 §7.5.3; RFC 9700 §4.12", "After a form with secrets the redirect is a 303."
    ),
    "O30": Requirement(
        "OAuth 2.1 §7.11; RFC 9700 §4.16", "No page of ours can be framed, error pages included."
    ),
    "O31": Requirement("OAuth 2.1 §7.7", "Codes, tokens and secrets hold 256 random bits."),
    "O32": Requirement(
        "OAuth 2.1 §7.13.2; RFC 9700 §4.11.2",
        "A valid request leads to a page of ours first. Which errors do not: docs/threat-model.md.",
    ),
    "O33": Requirement(
        "OAuth 2.1 §7.9",
        "Consent names the client, where the answer goes, and each scope; people can revoke grants.",
    ),
    "O34": Requirement(
        "OAuth 2.1 §2.3.1; RFC 8252 §7.1", "A private-use scheme has a dot, or is listed by name."
    ),
    "O35": Requirement("OAuth 2.1 §7.4; RFC 9700 §4.15", "A client_id cannot be mistaken for a person."),
    "O36": Requirement("RFC 9700 §4.2", "Pages send no Referer."),
    "O37": Requirement(
        "RFC 9700 §2.3, §4.10.2", "An access token names one audience: the resource the person approved."
    ),
    "O38": Requirement(
        "RFC 9700 §4.13", "Forwarding headers of the caller change neither issuer nor any URL."
    ),
    "O39": Requirement(
        "OAuth 2.1 §2.3.1; MCP authorization", "Redirects over http go to this computer alone."
    ),
}
