"""The authorization request at the edges (RFC 6749 section 4.1.1)."""

import pytest

from auth_server.domain.authorization_request import (
    MAX_STATE_BYTES,
    AuthorizationParameters,
    TrustedRedirect,
    UntrustedRedirectError,
    ValidatedAuthorizationRequest,
    trusted_redirect,
    validate,
)
from auth_server.domain.resource import Resources
from auth_server.models import Client
from shared.oauth import errors
from shared.policy import DEFAULT_SCOPE, OFFLINE_ACCESS

URI = "https://client.example.com/callback"
RESOURCES = Resources(("https://mcp.test/mcp", "https://other.test"))
RIGHT = {
    "client_id": "client_1",
    "response_type": "code",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
}


def client(*redirect_uris: str, grant_types: tuple[str, ...] = ("authorization_code",)) -> Client:
    return Client("client_1", None, redirect_uris, grant_types)


ONE = client(URI)
TWO = client(URI, "http://127.0.0.1:1/callback")


def parameters(*repeated: str, **changes: str | None) -> AuthorizationParameters:
    values = {name: value for name, value in {**RIGHT, **changes}.items() if value is not None}
    return AuthorizationParameters(values, frozenset(repeated))


def validated(*repeated: str, of: Client = ONE, **changes: str | None) -> ValidatedAuthorizationRequest:
    asked = parameters(*repeated, **changes)
    return validate(asked, trusted_redirect(asked, of), RESOURCES)


def test_a_request_gets_what_it_does_not_say() -> None:
    request = validated(state="s")
    assert request.redirect == trusted_redirect(parameters(state="s"), ONE)
    assert (request.redirect.client, request.redirect.redirect_uri, request.redirect.state) == (ONE, URI, "s")
    assert request.scopes == (DEFAULT_SCOPE,)
    assert request.resource == "https://mcp.test/mcp"
    assert request.code_challenge == "c" * 43
    assert request.prompt == frozenset()


def test_a_request_gets_what_it_says() -> None:
    request = validated(scope="blobs:read", resource="https://other.test/", prompt="login consent", state="")
    assert request.scopes == ("blobs:read",)
    assert request.resource == "https://other.test"
    assert request.prompt == {"login", "consent"}
    assert validated(scope="nothing blobs:read").scopes == ("blobs:read",)
    assert validated(scope="nothing").scopes == (DEFAULT_SCOPE,)
    assert set(validated(scope=OFFLINE_ACCESS).scopes) == {DEFAULT_SCOPE, OFFLINE_ACCESS}
    assert validated(prompt="none").prompt == {"none"}
    assert validated(prompt="select_account").prompt == {"select_account"}
    assert validated(response_mode="query")


def test_a_redirect_goes_where_the_client_registered() -> None:
    assert trusted_redirect(parameters(redirect_uri=URI, state="s"), TWO) == TrustedRedirect(TWO, URI, "s")
    local = trusted_redirect(parameters(redirect_uri="http://127.0.0.1:2/callback"), TWO)
    assert local.redirect_uri == "http://127.0.0.1:2/callback"


@pytest.mark.parametrize(
    ("asked", "of"),
    [
        (parameters(), None),
        (parameters(), TWO),
        (parameters(), client()),
        (parameters(redirect_uri=URI + "/x"), ONE),
        (parameters("redirect_uri"), ONE),
        (parameters("client_id"), ONE),
        (parameters("client_id", "redirect_uri", "scope"), ONE),
    ],
)
def test_nobody_is_sent_anywhere_else(asked: AuthorizationParameters, of: Client | None) -> None:
    with pytest.raises(UntrustedRedirectError) as refused:
        trusted_redirect(asked, of)
    assert str(refused.value) == refused.value.reason != ""


def test_of_a_state_sent_twice_none_is_returned() -> None:
    assert trusted_redirect(parameters("state", state="s"), ONE).state is None
    assert trusted_redirect(parameters("scope", state="s"), ONE).state == "s"


def test_a_state_is_counted_in_bytes() -> None:
    longest = "é" * (MAX_STATE_BYTES // 2)
    assert validated(state=longest).redirect.state == longest
    with pytest.raises(errors.InvalidRequest):
        validated(state=longest + "a")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, errors.InvalidRequest),
        ({"response_type": "token"}, errors.UnsupportedResponseType),
        ({"request": "x"}, errors.RequestNotSupported),
        ({"request_uri": "x"}, errors.RequestUriNotSupported),
        ({"response_mode": "fragment"}, errors.InvalidRequest),
        ({"code_challenge": None}, errors.InvalidRequest),
        ({"code_challenge_method": None}, errors.InvalidRequest),
        ({"scope": 'a"b'}, errors.InvalidScope),
        ({"resource": "https://else.test"}, errors.InvalidTarget),
        ({"prompt": "none login"}, errors.InvalidRequest),
        ({"prompt": "login create"}, errors.InvalidRequest),
    ],
)
def test_each_fault_has_its_code(changes: dict[str, str | None], error: type[errors.OAuthError]) -> None:
    with pytest.raises(errors.OAuthError) as refused:
        validated(**changes)
    assert type(refused.value) is error


def test_a_repeated_parameter_and_a_client_without_codes_are_refused() -> None:
    with pytest.raises(errors.InvalidTarget):
        validated("resource", "scope")
    with pytest.raises(errors.InvalidRequest):
        validated("scope")
    with pytest.raises(errors.UnauthorizedClient):
        validated(of=client(URI, grant_types=("refresh_token",)))
