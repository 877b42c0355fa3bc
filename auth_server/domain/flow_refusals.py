"""What each reason in a timeline means, and what to do about it: for whoever runs the server."""

from dataclasses import dataclass
from typing import Final

from shared.flows.steps import Reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened, and what helps."""

    cause: str
    advice: str


_APP_BUG: Final = "It is the app's to mend: send its makers this timeline."
_REMOVE: Final = "Remove the server from the app and add it again, so that it registers anew."
_AGAIN: Final = "Start once more from the app."
_LOG: Final = "Search the log for this attempt's id (`flow`): the line before the refusal says more."

REFUSALS: Final[dict[str, Explanation]] = {
    Reason.OTHER: Explanation("a reason that has no word of its own here", _LOG),
    Reason.UNKNOWN_CLIENT: Explanation(
        "the app's client_id is not registered here: it was removed, expired unused after 7 days, or belongs "
        "to another deployment",
        _REMOVE,
    ),
    Reason.CLIENT_DOCUMENT: Explanation(
        "the document that the app's client_id leads to is not there, not usable, or not allowed here",
        "Fetch it with curl; see OAUTH_CLIENT_DOCUMENTS and OAUTH_CLIENT_DOCUMENT_HOSTS. " + _LOG,
    ),
    Reason.REDIRECT_URI: Explanation(
        "the redirect_uri is not one that this client registered, compared as strings (only the port of a "
        "loopback URI may differ)",
        "Compare with `python -m auth_server clients show CLIENT_ID`. " + _REMOVE,
    ),
    Reason.NO_REDIRECT_URI: Explanation(
        "the client has several redirect URIs and the request names none", _APP_BUG
    ),
    Reason.REPEATED_PARAMETER: Explanation("a parameter was sent twice", _APP_BUG),
    Reason.CODE_CHALLENGE: Explanation(
        "code_challenge is missing or no S256 challenge: PKCE with S256 is required", _APP_BUG
    ),
    Reason.INVALID_REQUEST: Explanation("a parameter is missing or malformed", f"{_LOG} {_APP_BUG}"),
    Reason.REQUEST_NOT_SUPPORTED: Explanation("the app sent a request object", _APP_BUG),
    Reason.REQUEST_URI_NOT_SUPPORTED: Explanation("the app sent a request_uri", _APP_BUG),
    Reason.INVALID_TARGET: Explanation(
        "`resource` is none of this server's resources, or not the approved one: another slash, port, path "
        "or scheme counts",
        "It must be {resource}. Set MCP_RESOURCE_URL to the very URL that people type into the app; further "
        "ones go to OAUTH_RESOURCES.",
    ),
    Reason.INVALID_SCOPE: Explanation("a refresh asked for no scope, or for more than was granted", _APP_BUG),
    Reason.INVALID_GRANT: Explanation("the code or refresh token was not made here, or is damaged", _AGAIN),
    Reason.INVALID_CLIENT: Explanation(
        "the client did not say who it is, or in a malformed header", _APP_BUG
    ),
    Reason.UNAUTHORIZED_CLIENT: Explanation("the client is not registered for this grant type", _REMOVE),
    Reason.UNSUPPORTED_GRANT_TYPE: Explanation(
        "the app asked for a grant type that is not offered", _APP_BUG
    ),
    Reason.UNSUPPORTED_RESPONSE_TYPE: Explanation("response_type is not `code`", _APP_BUG),
    Reason.LOGIN_REQUIRED: Explanation(
        "prompt=none: the app asked without wanting the person to see a page",
        "Nothing is broken: the app asks again with pages.",
    ),
    Reason.STALE_PAGE: Explanation(
        "the page was answered already, is older than ten minutes, or was opened in another browser or with "
        "cookies blocked",
        "Start once more from the app, let cookies of {issuer} through, and stay in one browser.",
    ),
    Reason.FOREIGN_FORM: Explanation(
        "the form was not of this page: another sign-in in the same browser replaced it, or another site "
        "sent it",
        "Close other windows of this server and start once more from the app.",
    ),
    Reason.TOO_MANY_ATTEMPTS: Explanation(
        "too many wrong tokens, secrets or codes in a short time", "Wait some minutes, then start once more."
    ),
    Reason.TEMPORARILY_UNAVAILABLE: Explanation(
        "the store, the signing keys, Val Town or the app's own host did not answer",
        "Look at {issuer}/readyz and at the log of the replica named above.",
    ),
    Reason.SERVER_ERROR: Explanation("a fault of this server that nobody foresaw", _LOG),
    Reason.NO_DECISION: Explanation(
        "the form was sent without a decision, or with no permission left", _AGAIN
    ),
    Reason.NO_API_TOKEN: Explanation("no token was pasted", "Paste a Val Town API token."),
    Reason.API_TOKEN_REFUSED: Explanation(
        "Val Town does not know the pasted token, or it may not read the account",
        "Make a new one at val.town/settings/api with user read access.",
    ),
    Reason.NOT_ADMITTED: Explanation(
        "the account may not sign in here: OAUTH_ALLOWED_USERS does not list it, or the server has one owner",
        "Add the user name to OAUTH_ALLOWED_USERS if it shall be let in.",
    ),
    Reason.WRONG_ISSUER: Explanation(
        "the answer named another issuer than VAL_TOWN_OAUTH_ISSUER",
        "Check VAL_TOWN_OAUTH_ISSUER, byte for byte.",
    ),
    Reason.VAL_TOWN_SAID_NO: Explanation(
        "Val Town did not sign the person in, or the person chose not to", "Sign in once more."
    ),
    Reason.CLIENT_SECRET: Explanation(
        "the client sent no secret, or not the one that was registered",
        "If the app lost it: " + _REMOVE[0].lower() + _REMOVE[1:],
    ),
    Reason.SECRET_NOT_EXPECTED: Explanation(
        "the client registered without a secret and sent one all the same", _REMOVE
    ),
    Reason.CLIENT_ASSERTION: Explanation(
        "the client has a key, and sent no signed assertion or one that is not right: audience, time, key or "
        "a second use",
        "Compare the clocks, and `aud` with {issuer}. " + _LOG,
    ),
    Reason.UNKNOWN: Explanation(
        "the code or refresh token is not known (any more): it came minutes too late, is damaged, or is of "
        "another deployment",
        _AGAIN,
    ),
    Reason.WRONG_CLIENT: Explanation("it was issued to another client_id", _APP_BUG),
    Reason.WRONG_REDIRECT_URI: Explanation(
        "the token request names another redirect_uri than the authorization request did", _APP_BUG
    ),
    Reason.WRONG_VERIFIER: Explanation(
        "PKCE: the code_verifier is not the one of this attempt; two attempts at once often mix them up",
        "Start once more from the app, once. If it stays so: send its makers this timeline.",
    ),
    Reason.CODE_VERIFIER: Explanation("code_verifier is missing or malformed", _APP_BUG),
    Reason.REUSED: Explanation(
        "it was used a second time, so everything issued from it was revoked: the app or a proxy repeats its "
        "requests, two copies of the app share one token, or it was stolen",
        _AGAIN,
    ),
    Reason.EXPIRED: Explanation(
        "a code is good for 60 seconds, a refresh token for OAUTH_REFRESH_TOKEN_TTL without use", _AGAIN
    ),
    Reason.GRANT_REVOKED: Explanation("the access was taken back before", _AGAIN),
    Reason.AHEAD: Explanation(
        "the store knows an older refresh token than the app: it lost a write, in a failover or by a backup",
        _AGAIN,
    ),
}

MCP_STATUSES: Final[dict[str, Explanation]] = {
    "": Explanation("the request was not one that MCP allows", "The answer's body says what was wrong."),
    "403": Explanation(
        "the token lacks a scope that was needed, which apps answer by asking the person for more; or the "
        "request came with an Origin that is not allowed",
        "See `scope` above; origins of browser apps go to MCP_ALLOWED_ORIGINS.",
    ),
    "421": Explanation(
        "the Host header is not one of this server",
        "Set MCP_RESOURCE_URL to the public URL; see MCP_ALLOWED_HOSTS.",
    ),
    "503": Explanation(
        "the store, the issuer's keys or the list of revocations could not be read",
        "Look at /readyz of mcp_server.",
    ),
}
