"""Registration: credentials, shared clients, changes, chosen ids (RFC 7591, RFC 7592)."""

import json
from dataclasses import replace

import pytest

from auth_server.domain import generate
from auth_server.domain.client_metadata import DEFAULT_GRANT_TYPES
from auth_server.domain.redirect_uri import RedirectPolicy
from auth_server.domain.registration import (
    Registered,
    cost,
    fingerprint,
    pre_register,
    register,
    update,
)
from auth_server.domain.registration_token import RegistrationTokens
from auth_server.models import Client
from shared.oauth.errors import InvalidClientMetadata
from shared.sealing import Sealer

POLICY = RedirectPolicy(schemes=frozenset(), allow_http=False)
URI = "https://client.example.com/callback"
NOW = 1_700_000_000.9


def registered(**members: object) -> Registered:
    metadata = {"redirect_uris": [URI], **members}
    return register(metadata, policy=POLICY, grant_types=DEFAULT_GRANT_TYPES, now=NOW)


def public(**members: object) -> Registered:
    return registered(token_endpoint_auth_method="none", **members)


def by_operator(client_id: str = "", *, is_public: bool = False) -> Registered:
    return pre_register("An App", [URI], public=is_public, policy=POLICY, client_id=client_id, now=NOW)


def updated(client: Client, **members: object) -> Client:
    metadata = {"client_id": client.client_id, "redirect_uris": [URI + "/new"], **members}
    return update(client, metadata, policy=POLICY, grant_types=DEFAULT_GRANT_TYPES)


def test_a_confidential_client_gets_a_secret_of_which_the_hash_is_kept() -> None:
    made = registered()
    assert made.secret is not None
    assert made.secret.startswith(generate.CLIENT_SECRET)
    assert made.client.secret_hash == generate.digest(made.secret)
    assert made.client.fingerprint == ""
    assert made.client.redirect_uris == (URI,)
    assert made.client.grant_types == DEFAULT_GRANT_TYPES
    assert made.response() == {
        "client_id": made.client.client_id,
        "client_id_issued_at": 1_700_000_000,
        "client_secret": made.secret,
        "client_secret_expires_at": 0,
        "redirect_uris": [URI],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": list(DEFAULT_GRANT_TYPES),
        "response_types": ["code"],
        "application_type": "web",
    }


def test_a_public_client_gets_none_and_can_be_shared() -> None:
    first, second = public(), public()
    assert first.secret is first.client.secret_hash is None
    assert "client_secret" not in first.response()
    assert "client_secret_expires_at" not in first.response()
    assert first.client.fingerprint == second.client.fingerprint != ""
    assert first.client.client_id != second.client.client_id
    assert public(client_name="Other").client.fingerprint != first.client.fingerprint


def test_a_shared_client_keeps_its_id_and_age_and_the_spelling_of_the_new_registration() -> None:
    first = public(redirect_uris=["http://127.0.0.1:1/a"]).client
    later = replace(first, metadata={**first.metadata, "client_id_issued_at": 5})
    again = public(redirect_uris=["http://127.0.0.1:2/a"])
    answer = again.shared_with(later)
    assert answer.response() == {
        **again.response(),
        "client_id": first.client_id,
        "client_id_issued_at": 5,
    }
    assert answer.secret is None


def test_registrations_that_differ_in_nothing_that_matters_have_one_fingerprint() -> None:
    one = {"redirect_uris": [URI, "http://localhost:1/a"], "scope": "read offline_access"}
    same = {"redirect_uris": ["http://localhost:2/a", URI], "scope": "offline_access read"}
    assert fingerprint(one) == fingerprint(same)
    assert fingerprint({"redirect_uris": [URI], "scope": ""}) == fingerprint({"redirect_uris": [URI]})
    assert fingerprint(dict(reversed(one.items()))) == fingerprint(one)


@pytest.mark.parametrize(
    "changes",
    [{"redirect_uris": [URI]}, {"scope": "read"}, {"client_name": "Other"}, {"application_type": "native"}],
)
def test_any_other_difference_shows_in_the_fingerprint(changes: dict[str, object]) -> None:
    one: dict[str, object] = {"redirect_uris": [URI, "http://localhost:1/a"], "scope": "read offline_access"}
    assert fingerprint({**one, **changes}) != fingerprint(one)


@pytest.mark.parametrize(("size", "tokens"), [(1023, 1), (1024, 2), (2047, 2), (2048, 3)])
def test_each_kib_that_is_kept_takes_a_token(size: int, tokens: int) -> None:
    metadata = {"a": "x" * (size - len(json.dumps({"a": ""})))}
    assert cost(replace(registered().client, metadata=metadata)) == tokens


def test_the_operator_registers_under_an_id_of_choice() -> None:
    made = by_operator("an.app_1-x")
    assert made.client.client_id == "an.app_1-x"
    assert made.client.by_operator
    assert made.client.name == "An App"
    assert made.client.redirect_uris == (URI,)
    assert made.client.metadata["client_id_issued_at"] == 1_700_000_000
    assert made.secret is not None
    assert made.client.secret_hash == generate.digest(made.secret)


def test_without_a_choice_an_id_is_made_and_the_client_is_shared_with_nobody() -> None:
    made = by_operator(is_public=True)
    assert made.client.client_id.startswith(generate.CLIENT_ID)
    assert made.client.fingerprint == ""
    assert made.secret is None
    assert made.client.is_public


UUID = "00000000-0000-4000-8000-00000000000a"


@pytest.mark.parametrize(
    ("good", "bad"),
    [("a" * 100, "a" * 101), (UUID + "0", UUID), ("client-a", "client_a"), ("a-b", "a b"), ("a", "é")],
)
def test_a_chosen_id_is_short_plain_and_nobody_elses(good: str, bad: str) -> None:
    assert by_operator(good).client.client_id == good
    with pytest.raises(InvalidClientMetadata):
        by_operator(bad)


def test_an_update_changes_the_metadata_and_no_credential() -> None:
    for made in (registered(client_name="Old"), public(client_name="Old")):
        changed = updated(made.client, client_secret=made.secret, grant_types=["authorization_code"])
        assert changed == replace(
            made.client,
            redirect_uris=(URI + "/new",),
            grant_types=("authorization_code",),
            fingerprint="",
            metadata=changed.metadata,
        )
        assert changed.metadata["redirect_uris"] == [URI + "/new"]
        assert "client_name" not in changed.metadata
        method = "token_endpoint_auth_method"
        assert changed.metadata[method] == made.client.metadata[method]
        assert changed.metadata["client_id_issued_at"] == 1_700_000_000
    post = updated(registered().client, token_endpoint_auth_method="client_secret_post")
    assert post.metadata["token_endpoint_auth_method"] == "client_secret_post"


@pytest.mark.parametrize(
    "members",
    [
        {"client_id": "another"},
        {"client_id": None},
        {"registration_access_token": "x"},
        {"registration_client_uri": "x"},
        {"client_secret_expires_at": 0},
        {"client_id_issued_at": 0},
        {"client_secret": "x"},
        {"client_secret": 1},
        {"token_endpoint_auth_method": "none"},
    ],
)
def test_an_update_that_reaches_for_a_credential_is_refused(members: dict[str, object]) -> None:
    with pytest.raises(InvalidClientMetadata):
        updated(registered().client, **members)


def test_a_public_client_cannot_come_by_a_secret() -> None:
    with pytest.raises(InvalidClientMetadata):
        updated(public().client, token_endpoint_auth_method="client_secret_basic")
    with pytest.raises(InvalidClientMetadata):
        updated(public().client, client_secret="x")


def test_a_registration_access_token_is_of_one_client_and_of_any_key_in_the_ring() -> None:
    old, new = b"o" * 32, b"n" * 32
    tokens = RegistrationTokens(Sealer(old))
    token = tokens.make("client_a")
    assert token != tokens.make("client_a")
    assert tokens.belongs(token, "client_a")
    assert not tokens.belongs(token, "client_b")
    assert RegistrationTokens(Sealer(new, old)).belongs(token, "client_a")
    assert RegistrationTokens(Sealer(old, new)).belongs(token, "client_a")
    assert not RegistrationTokens(Sealer(new)).belongs(token, "client_a")


def test_what_has_not_the_form_of_a_registration_access_token_is_refused() -> None:
    tokens = RegistrationTokens(Sealer(b"o" * 32))
    token = tokens.make("client_a")
    for other in (
        "",
        token[:-1],
        token + "A",
        "xxxx_" + token[5:],
        token[:-1] + "!",
        token[5:],
        token + "====",
    ):
        assert not tokens.belongs(other, "client_a")
