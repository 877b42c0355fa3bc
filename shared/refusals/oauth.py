"""Refusals with an OAuth error code: of the authorization server, and of a credential at the MCP endpoint."""

from shared.oauth import errors
from shared.refusals.refusal import (
    CACHE_CONTROL,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    Refusal,
    Remedy,
    oauth_refusal,
)

_AUTHORIZE = "authorize, by redirect"
_TOKEN = "token"
_REGISTER = "register"
_MCP = "/mcp"

OAUTH = (
    oauth_refusal(
        errors.InvalidRequest,
        "every endpoint",
        "a parameter is missing, repeated, malformed or too long",
        Remedy.FIX,
    ),
    oauth_refusal(errors.RequestNotSupported, _AUTHORIZE, "the parameter `request` was sent", Remedy.FIX),
    oauth_refusal(
        errors.RequestUriNotSupported, _AUTHORIZE, "the parameter `request_uri` was sent", Remedy.FIX
    ),
    oauth_refusal(
        errors.InvalidClient,
        "token, revoke, introspect",
        "the client is unknown, or did not prove who it is",
        Remedy.REGISTER,
        WWW_AUTHENTICATE,
    ),
    oauth_refusal(
        errors.InvalidGrant,
        _TOKEN,
        "the code or refresh token is unknown, expired, used, revoked or another client's",
        Remedy.ASK_AGAIN,
    ),
    oauth_refusal(
        errors.UnauthorizedClient,
        "authorize, token, revoke",
        "the client is not registered for this grant type, or the token to revoke is another client's",
        Remedy.FIX,
    ),
    oauth_refusal(
        errors.UnsupportedGrantType, _TOKEN, "the grant type is not one that metadata list", Remedy.FIX
    ),
    oauth_refusal(
        errors.InvalidScope,
        _TOKEN,
        "a refresh asks for no scope, or for more than was granted",
        Remedy.FIX,
    ),
    oauth_refusal(
        errors.AccessDenied,
        "authorize, by redirect; manage a registration",
        "the person refused; or a registration that others share was to be changed",
        Remedy.SHOW,
    ),
    oauth_refusal(errors.UnsupportedResponseType, _AUTHORIZE, "the response type is not `code`", Remedy.FIX),
    oauth_refusal(
        errors.LoginRequired,
        _AUTHORIZE,
        "`prompt=none`, and somebody has to sign in or consent",
        Remedy.ASK_AGAIN,
    ),
    oauth_refusal(
        errors.InvalidTarget,
        "authorize, token",
        "the resource is unknown, malformed, or not the approved one",
        Remedy.FIX,
    ),
    oauth_refusal(
        errors.InvalidRedirectUri, _REGISTER, "a redirect URI is one that no client may have", Remedy.FIX
    ),
    oauth_refusal(
        errors.InvalidClientMetadata,
        _REGISTER,
        "a member of the registration is malformed or not supported",
        Remedy.FIX,
    ),
    oauth_refusal(
        errors.InvalidToken,
        "manage a registration",
        "the registration access token is wrong, or the client is gone",
        Remedy.REGISTER,
        WWW_AUTHENTICATE,
    ),
    oauth_refusal(
        errors.TooManyRequests,
        "register, token, revoke, manage a registration",
        "a limit is reached; whoever sends the right secret is not kept out",
        Remedy.WAIT,
        RETRY_AFTER,
    ),
    oauth_refusal(
        errors.TemporarilyUnavailable,
        "every endpoint",
        "the store, the signing keys or another service cannot be reached",
        Remedy.WAIT,
        RETRY_AFTER,
    ),
    oauth_refusal(errors.ServerError, "every endpoint", "a fault of ours that nobody foresaw", Remedy.SHOW),
    oauth_refusal(
        errors.OAuthNotEnabled, "every OAuth URL of both services", "`OAUTH_ENABLED=false`", Remedy.SHOW
    ),
)
"""What the authorization server answers; some of it also the metadata of the MCP server."""

NO_CREDENTIALS = Refusal(
    401,
    401,
    _MCP,
    "no credential that counts here was sent",
    Remedy.ASK_AGAIN,
    (WWW_AUTHENTICATE, CACHE_CONTROL),
)

UNAVAILABLE = oauth_refusal(
    errors.TemporarilyUnavailable,
    _MCP,
    "the store, the issuer's keys or the list of revocations cannot be read",
    Remedy.WAIT,
    RETRY_AFTER,
)

CREDENTIALS = (
    NO_CREDENTIALS,
    oauth_refusal(
        errors.InvalidRequest,
        _MCP,
        "more than one credential was sent, or one that breaks the grammar",
        Remedy.FIX,
        WWW_AUTHENTICATE,
    ),
    oauth_refusal(
        errors.InvalidToken,
        _MCP,
        "the access token is malformed, expired, revoked, or not for this resource: refresh it first",
        Remedy.ASK_AGAIN,
        WWW_AUTHENTICATE,
    ),
    oauth_refusal(
        errors.InsufficientScope,
        _MCP,
        "the token is good, but what was called needs another scope",
        Remedy.STEP_UP,
        WWW_AUTHENTICATE,
    ),
    UNAVAILABLE,
)
"""What the MCP endpoint answers before it looks at a message: JSON-RPC errors whose code is the status."""
