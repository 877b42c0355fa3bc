"""Client metadata at the edges: what just fits, what is dropped, what is refused (RFC 7591 section 2)."""

import json

import pytest

from auth_server.domain.client_metadata import (
    AUTH_METHODS,
    DEFAULT_GRANT_TYPES,
    MAX_METADATA,
    MAX_REDIRECT_URIS,
    MAX_TEXT,
    MAX_URL,
    PRIVATE_KEY_JWT,
    check,
)
from auth_server.domain.redirect_uri import RedirectPolicy
from shared.oauth.errors import InvalidClientMetadata, InvalidRedirectUri

POLICY = RedirectPolicy(schemes=frozenset(), allow_http=False)
URI = "https://client.example.com/callback"


def accepted(**members: object) -> dict[str, object]:
    return check({"redirect_uris": [URI], **members}, policy=POLICY, grant_types=DEFAULT_GRANT_TYPES)


def test_what_is_not_said_gets_its_default() -> None:
    assert accepted() == {
        "redirect_uris": [URI],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "web",
    }


@pytest.mark.parametrize("method", AUTH_METHODS)
def test_each_supported_method_is_accepted(method: str) -> None:
    keys = {"jwks_uri": "https://client.example.com/jwks.json"} if method == PRIVATE_KEY_JWT else {}
    assert accepted(token_endpoint_auth_method=method, **keys)["token_endpoint_auth_method"] == method


def test_what_is_said_is_kept() -> None:
    members: dict[str, object] = {
        "application_type": "native",
        "grant_types": ["authorization_code"],
        "scope": "read",
        "client_name": "An App",
        "software_id": "app",
        "software_version": "2",
        "client_uri": "https://client.example.com",
        "logo_uri": "http://client.example.com/logo",
        "policy_uri": "https://client.example.com/policy",
        "tos_uri": "https://client.example.com/terms",
    }
    kept = accepted(**members)
    assert {name: kept.get(name) for name in members} == members


@pytest.mark.parametrize(
    "name",
    [
        "client_name",
        "software_id",
        "client_uri",
        "logo_uri",
        "scope",
        "application_type",
        "token_endpoint_auth_method",
        "grant_types",
        "response_types",
        "jwks",
        "jwks_uri",
    ],
)
def test_nothing_is_kept_of_a_member_that_says_nothing(name: str) -> None:
    assert accepted(**{name: None}) == accepted(**{name: ""}) == accepted()


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        ({"client_name": "n" * MAX_TEXT}, {"client_name": "n" * (MAX_TEXT + 1)}),
        ({"tos_uri": "https://".ljust(MAX_URL, "a")}, {"tos_uri": "https://".ljust(MAX_URL + 1, "a")}),
        ({"scope": "s" * MAX_URL}, {"scope": "s" * (MAX_URL + 1)}),
        (
            {"grant_types": ["authorization_code"] * MAX_REDIRECT_URIS},
            {"grant_types": ["authorization_code"] * (MAX_REDIRECT_URIS + 1)},
        ),
        ({"jwks": {"keys": []}}, {"jwks": {"keys": []}, "jwks_uri": "https://client.example.com/keys"}),
        ({"jwks": {"keys": [{"n": "1"}, "x"]}}, {"jwks": {"keys": ["x", {"d": "1"}]}}),
        ({"jwks": {"keys": [{"e": "1"}]}}, {"jwks": {"keys": [{"k": "1"}]}}),
        ({"response_types": ["code", "token"]}, {"response_types": ["token"]}),
        ({"response_types": []}, {"response_types": [""]}),
        ({"jwks": {"keys": []}, "jwks_uri": None}, {"jwks": {"keys": []}, "jwks_uri": "https://a.example"}),
        ({"response_types": ["code"]}, {"response_types": ["code", 1]}),
        ({"response_types": None}, {"response_types": "code"}),
        ({"grant_types": ["authorization_code", "other"]}, {"grant_types": ["refresh_token"]}),
        ({"application_type": "web"}, {"application_type": "other"}),
        ({"client_name": "1"}, {"client_name": 1}),
        ({"tos_uri": "http://a"}, {"tos_uri": "ftp://a"}),
        ({"tos_uri": "https://a"}, {"tos_uri": 1}),
        ({"scope": ""}, {"scope": ["read"]}),
        ({"token_endpoint_auth_method": "none"}, {"token_endpoint_auth_method": "other"}),
        ({"token_endpoint_auth_method": "none"}, {"token_endpoint_auth_method": ["none"]}),
    ],
)
def test_a_member_is_accepted_up_to_its_bound(fits: dict[str, object], too_much: dict[str, object]) -> None:
    assert accepted(**fits)
    with pytest.raises(InvalidClientMetadata):
        accepted(**too_much)


def test_all_members_together_are_bounded() -> None:
    long = "https://".ljust(1900, "a")
    members = {
        "client_uri": long,
        "logo_uri": long,
        "policy_uri": long,
        "redirect_uris": [URI.ljust(1900, "a")],
    }
    room = MAX_METADATA - len(_json(accepted(**members, tos_uri="https://")))
    fits = "https://".ljust(8 + room, "a")
    assert len(_json(accepted(**members, tos_uri=fits))) == MAX_METADATA
    with pytest.raises(InvalidClientMetadata):
        accepted(**members, tos_uri=fits + "a")


@pytest.mark.parametrize("value", [None, [], URI, [1], [URI, None], [f"{URI}/{n}" for n in range(21)]])
def test_what_is_no_short_list_of_redirect_uris_is_refused(value: object) -> None:
    with pytest.raises(InvalidRedirectUri):
        accepted(redirect_uris=value)


def test_redirect_uris_keep_their_order_and_are_kept_once() -> None:
    many = [f"{URI}/{number}" for number in range(MAX_REDIRECT_URIS)]
    assert accepted(redirect_uris=many)["redirect_uris"] == many
    assert accepted(redirect_uris=[many[1], many[0], many[1]])["redirect_uris"] == [many[1], many[0]]


def _json(members: dict[str, object]) -> str:
    return json.dumps(members)
