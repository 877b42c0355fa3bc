"""Proof Key for Code Exchange (RFC 7636): lengths, characters, and the example of the RFC."""

import pytest

from auth_server.domain.pkce import challenge_of, check_challenge, check_verifier
from shared.oauth.errors import InvalidRequest

# RFC 7636 appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_example_of_the_rfc_holds() -> None:
    assert check_verifier(VERIFIER) == VERIFIER
    assert challenge_of(VERIFIER) == check_challenge(CHALLENGE, "S256") == CHALLENGE


@pytest.mark.parametrize("verifier", ["a" * 43, "a" * 128, "-._~" * 11])
def test_a_verifier_of_the_right_length_and_characters_is_accepted(verifier: str) -> None:
    assert check_verifier(verifier) == verifier


@pytest.mark.parametrize("verifier", [None, "", "a" * 42, "a" * 129, "a" * 42 + "é", "a" * 43 + "\n"])
def test_any_other_verifier_is_refused(verifier: str | None) -> None:
    with pytest.raises(InvalidRequest):
        check_verifier(verifier)


@pytest.mark.parametrize(
    ("challenge", "method"),
    [
        (None, "S256"),
        (CHALLENGE, None),
        (CHALLENGE, "plain"),
        (CHALLENGE, "s256"),
        (CHALLENGE[:-1], "S256"),
        (CHALLENGE + "=", "S256"),
        (CHALLENGE[:-1] + "+", "S256"),
    ],
)
def test_any_other_challenge_is_refused(challenge: str | None, method: str | None) -> None:
    with pytest.raises(InvalidRequest):
        check_challenge(challenge, method)
