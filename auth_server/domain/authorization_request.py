"""Validation of the authorization request (RFC 6749 section 4.1.1, RFC 7636 section 4.3, RFC 8707 section 2).

In two steps, because they fail in different places. Until client and redirect URI are known good, a fault is
told to the person (`UntrustedRedirectError`); from then on it is told to the client, by redirect.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from auth_server.domain import pkce, redirect_uri
from auth_server.domain.resource import Resources
from auth_server.models import Client
from shared.flows.steps import Reason
from shared.oauth.errors import (
    InvalidRequest,
    InvalidTarget,
    OAuthError,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from shared.oauth.scopes import expand, in_order, known_scopes
from shared.policy import DEFAULT_SCOPE

MAX_STATE_BYTES = 4096
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})


class UntrustedRedirectError(Exception):
    """The request must not be answered by a redirect (RFC 6749 section 4.1.2.1); a person reads `reason`."""

    def __init__(self, reason: str, code: Reason) -> None:
        """Take a sentence that tells the person what is wrong, and the word for it in the timeline."""
        self.reason = reason
        self.code = code
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class AuthorizationParameters:
    """The parameters of a request: single-valued, empty ones left out; `repeated` names those sent twice."""

    values: Mapping[str, str]
    repeated: frozenset[str]

    def single(self, name: str) -> str | None:
        """Return one parameter, None when it was not sent."""
        return self.values.get(name)


@dataclass(frozen=True, slots=True)
class TrustedRedirect:
    """Where errors and codes may go: made by `trusted_redirect` alone."""

    client: Client
    redirect_uri: str
    state: str | None


@dataclass(frozen=True, slots=True)
class ValidatedAuthorizationRequest:
    """A request in which everything was checked: made by `validate` alone, and all that can be approved."""

    redirect: TrustedRedirect
    scopes: tuple[str, ...]
    resource: str
    code_challenge: str
    prompt: frozenset[str]


def trusted_redirect(parameters: AuthorizationParameters, client: Client | None) -> TrustedRedirect:
    """Return the redirect that the request's client registered.

    Raises:
        UntrustedRedirectError: the client is unknown, or the redirect URI is not one of its own.
    """
    if parameters.repeated & {"client_id", "redirect_uri"}:
        raise UntrustedRedirectError(
            "The address that brought you here names its app or return address twice.",
            Reason.REPEATED_PARAMETER,
        )
    if client is None:
        raise UntrustedRedirectError(
            "This server does not know the app that sent you here; its registration may have expired. "
            "Remove the server from the app and add it again.",
            Reason.UNKNOWN_CLIENT,
        )
    state = None if "state" in parameters.repeated else parameters.single("state")
    requested = parameters.single("redirect_uri")
    if requested is None:
        if len(client.redirect_uris) != 1:
            raise UntrustedRedirectError(
                "The app did not say where to send you afterwards.", Reason.NO_REDIRECT_URI
            )
        return TrustedRedirect(client, client.redirect_uris[0], state)
    if not client_redirects_to(client, requested):
        raise UntrustedRedirectError(
            "The app wants to send you to an address that it did not register. "
            "If you trust the app, remove the server from it and add it again.",
            Reason.REDIRECT_URI,
        )
    return TrustedRedirect(client, requested, state)


def client_redirects_to(client: Client, uri: str) -> bool:
    """Return whether a redirect URI is one of the client's own as it is registered now."""
    return any(redirect_uri.matches(registered, uri) for registered in client.redirect_uris)


def validate(
    parameters: AuthorizationParameters, redirect: TrustedRedirect, resources: Resources
) -> ValidatedAuthorizationRequest:
    """Return the request when every parameter is right.

    Raises:
        OAuthError: the code that RFC 6749 section 4.1.2.1 or RFC 8707 section 2 assigns.
    """
    if "resource" in parameters.repeated:
        raise InvalidTarget("A token is for one resource only.")
    if parameters.repeated:
        names = " ".join(sorted(parameters.repeated))
        raise InvalidRequest(f"Parameters must not be repeated: {names}", reason=Reason.REPEATED_PARAMETER)
    _check_shape(parameters, redirect)
    challenge = pkce.check_challenge(
        parameters.single("code_challenge"), parameters.single("code_challenge_method")
    )
    return ValidatedAuthorizationRequest(
        redirect=redirect,
        scopes=_scopes(parameters.single("scope")),
        resource=resources.choose(parameters.single("resource")),
        code_challenge=challenge,
        prompt=_prompt(parameters.single("prompt")),
    )


def _check_shape(parameters: AuthorizationParameters, redirect: TrustedRedirect) -> None:
    for problem in (
        _response_type(parameters.single("response_type")),
        _unsupported(parameters),
        _state(redirect.state),
    ):
        if problem is not None:
            raise problem
    if "authorization_code" not in redirect.client.grant_types:
        raise UnauthorizedClient("The client is not registered for authorization codes.")


def _response_type(response_type: str | None) -> OAuthError | None:
    if response_type is None:
        return InvalidRequest("The response_type parameter is missing.")
    if response_type != "code":
        return UnsupportedResponseType("The response_type must be code.")
    return None


def _unsupported(parameters: AuthorizationParameters) -> OAuthError | None:
    if parameters.single("request") is not None:
        return RequestNotSupported("The request parameter is not supported.")
    if parameters.single("request_uri") is not None:
        return RequestUriNotSupported("The request_uri parameter is not supported.")
    if parameters.single("response_mode") not in (None, "query"):
        return InvalidRequest("The response_mode must be query.")
    return None


def _state(state: str | None) -> OAuthError | None:
    if state is not None and len(state.encode()) > MAX_STATE_BYTES:
        return InvalidRequest(f"The state is longer than {MAX_STATE_BYTES} bytes.")
    return None


def _scopes(scope: str | None) -> tuple[str, ...]:
    # Unknown names are ignored: clients send those of other servers, and an error would take the browser to a
    # client that registered itself before the person has seen a page of ours (OAuth 2.1 section 7.13.2).
    scopes = known_scopes(scope or DEFAULT_SCOPE)
    # offline_access alone is nothing a person could allow; who asks for it means the default with it.
    return scopes if expand(scopes) else in_order((DEFAULT_SCOPE, *scopes))


def _prompt(prompt: str | None) -> frozenset[str]:
    values = frozenset((prompt or "").split())
    if not values <= _PROMPTS or ("none" in values and len(values) > 1):
        raise InvalidRequest("The prompt must be login, consent, select_account or none.")
    return values
