"""Refresh tokens that were made here are read back; everything else is refused before the store is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_server.domain import generate
from auth_server.domain.signing_keys import Keyring
from auth_server.domain.token_issuer import TokenIssuer
from shared.clock import Clock
from shared.oauth.errors import InvalidGrant
from shared.sealing import Sealer
from tests.requirements import requirement


def issuer_with(key: bytes) -> TokenIssuer:
    return TokenIssuer(
        issuer="https://auth.test", lifetime=3600, keyring=Keyring(), sealer=Sealer(key), clock=Clock()
    )


ISSUER = issuer_with(bytes(range(32)))


@given(st.integers(0, 2**32 - 1))
def test_a_refresh_token_carries_its_grant_and_generation(generation: int) -> None:
    grant_id = generate.grant_id()
    token = ISSUER.refresh_token(grant_id, generation)
    read = ISSUER.read_refresh_token(token.value)
    assert (read.grant_id, read.generation) == (grant_id, generation)
    assert read.token_hash == token.token_hash == generate.digest(token.value)


@requirement("E111")
def test_no_changed_character_goes_unnoticed() -> None:
    value = ISSUER.refresh_token(generate.grant_id(), 1).value
    for position, character in enumerate(value):
        for other in ("A" if character != "A" else "B", "", "é", "=", "\n"):
            with pytest.raises(InvalidGrant):
                ISSUER.read_refresh_token(value[:position] + other + value[position + 1 :])


@given(st.text(max_size=200) | st.text(max_size=120).map(lambda text: "vtr_" + text))
def test_what_was_not_made_here_is_refused(text: str) -> None:
    with pytest.raises(InvalidGrant):
        ISSUER.read_refresh_token(text)


def test_a_token_of_another_server_is_refused() -> None:
    foreign = issuer_with(b"k" * 32).refresh_token(generate.grant_id(), 1)
    with pytest.raises(InvalidGrant):
        ISSUER.read_refresh_token(foreign.value)
    same_key = issuer_with(bytes(range(32)))
    assert same_key.read_refresh_token(ISSUER.refresh_token(generate.grant_id(), 1).value)


def test_tokens_of_the_same_grant_and_generation_differ() -> None:
    grant_id = generate.grant_id()
    assert len({ISSUER.refresh_token(grant_id, 1).value for _ in range(100)}) == 100
