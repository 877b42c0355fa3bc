"""Every way in which the services refuse, named after its wire code.

    OAuthError
    ├── InvalidRequest            400  RFC 6749 section 5.2
    │   ├── RequestNotSupported   400  OpenID Connect Core section 6 (request)
    │   └── RequestUriNotSupported     (request_uri)
    ├── InvalidClient             401  RFC 6749 section 5.2
    ├── InvalidGrant              400
    ├── UnauthorizedClient        400
    ├── UnsupportedGrantType      400
    ├── InvalidScope              400
    ├── AccessDenied              403  RFC 6749 section 4.1.2.1
    ├── UnsupportedResponseType   400
    ├── LoginRequired             400  OpenID Connect Core section 3.1.2.6
    ├── ServerError               500
    ├── TemporarilyUnavailable    503
    │   └── TooManyRequests       429  RFC 6585 section 4 (temporarily_unavailable)
    ├── InvalidTarget             400  RFC 8707 section 2
    ├── InvalidRedirectUri        400  RFC 7591 section 3.2.2
    ├── InvalidClientMetadata     400
    ├── InvalidToken              401  RFC 6750 section 3.1
    ├── InsufficientScope         403
    └── OAuthNotEnabled           404  ours: OAUTH_ENABLED=false

Raise them; one place in each service turns them into HTTP. `description` is for the client: short, without
secrets, and without telling apart "unknown", "expired" and "not yours". Detail for operators goes to the log.
"""

import re
from collections.abc import Iterable

from shared.retry_after import jittered

# RFC 6749 section 5.2: error_description may hold %x20-21 / %x23-5B / %x5D-7E.
_NOT_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
_MAX_DESCRIPTION = 400


class OAuthError(Exception):
    """A refusal with a registered code. Subclasses name the code and its HTTP status."""

    error = "server_error"
    status = 500

    def __init__(
        self,
        description: str = "",
        *,
        status: int | None = None,
        retry_after: int | None = None,
        reason: str = "",
    ) -> None:
        """Take what the client is told, and what it is not.

        Args:
            description: the sentence for the client.
            status: when it is another than the class's.
            retry_after: seconds until a retry.
            reason: one of `shared.flows.steps.Reason`, for the timeline alone; empty: the code says it all.
        """
        self.reason = reason or self.error
        self.description = _NOT_DESCRIPTION.sub("?", description)[:_MAX_DESCRIPTION]
        self.retry_after = retry_after
        if status is not None:
            self.status = status
        super().__init__(f"{self.error}: {self.description}")

    def members(self) -> dict[str, str]:
        """Return the members of the JSON error body; none is null."""
        body = {"error": self.error}
        if self.description:
            body["error_description"] = self.description
        return body


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated, malformed, or not supported."""

    error = "invalid_request"
    status = 400


class RequestNotSupported(InvalidRequest):
    """The `request` parameter is not supported."""

    error = "request_not_supported"


class RequestUriNotSupported(InvalidRequest):
    """The `request_uri` parameter is not supported, and never fetched."""

    error = "request_uri_not_supported"


class InvalidClient(OAuthError):
    """The client is unknown, or did not prove who it is. Clients answer this by registering anew."""

    error = "invalid_client"
    status = 401


class InvalidGrant(OAuthError):
    """The code or refresh token is no good. Clients answer this by asking the person again."""

    error = "invalid_grant"
    status = 400


class UnauthorizedClient(OAuthError):
    """The client is not registered for this grant type."""

    error = "unauthorized_client"
    status = 400


class UnsupportedGrantType(OAuthError):
    """The server does not know this grant type."""

    error = "unsupported_grant_type"
    status = 400


class InvalidScope(OAuthError):
    """The scope is unknown, malformed, or more than was granted."""

    error = "invalid_scope"
    status = 400


class AccessDenied(OAuthError):
    """The person, or the operator's list of allowed users, said no."""

    error = "access_denied"
    status = 403


class UnsupportedResponseType(OAuthError):
    """Only `code` is supported."""

    error = "unsupported_response_type"
    status = 400


class LoginRequired(OAuthError):
    """`prompt=none` was asked for, and somebody has to sign in or consent."""

    error = "login_required"
    status = 400


class ServerError(OAuthError):
    """A fault of ours that nobody foresaw."""

    error = "server_error"
    status = 500


class TemporarilyUnavailable(OAuthError):
    """A fault of the store or of another service; the same request may work in a moment."""

    error = "temporarily_unavailable"
    status = 503

    def __init__(self, description: str = "", *, retry_after: int | None = None) -> None:
        """Take the sentence for the client and the seconds until a retry; by default 1 to 3, at random."""
        super().__init__(description, retry_after=jittered() if retry_after is None else retry_after)


class TooManyRequests(TemporarilyUnavailable):
    """A limit is reached. The code is one that makes no client throw its credentials away."""

    status = 429


class InvalidTarget(OAuthError):
    """The resource is unknown, malformed, or not the one that was approved."""

    error = "invalid_target"
    status = 400


class InvalidRedirectUri(OAuthError):
    """A redirect URI that no client may register."""

    error = "invalid_redirect_uri"
    status = 400


class InvalidClientMetadata(OAuthError):
    """A member of the registration is malformed or not supported."""

    error = "invalid_client_metadata"
    status = 400


class InvalidToken(OAuthError):
    """The access token is malformed, expired, revoked, or not for this resource."""

    error = "invalid_token"
    status = 401


class InsufficientScope(OAuthError):
    """The token is good, but does not reach so far."""

    error = "insufficient_scope"
    status = 403

    def __init__(self, description: str, *, needed: Iterable[str]) -> None:
        """Take the sentence for the client and the scopes that would do, granted ones included."""
        super().__init__(description)
        self.needed = tuple(needed)


class OAuthNotEnabled(OAuthError):
    """OAUTH_ENABLED=false: every OAuth URL answers this."""

    error = "oauth_not_enabled"
    status = 404

    def __init__(self) -> None:
        """Say how to switch it on."""
        super().__init__("OAuth not enabled. Set OAUTH_ENABLED=true to use this endpoint.")
