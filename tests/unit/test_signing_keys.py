"""The keyring, and what it takes for a key (RFC 7517)."""

import pytest

from auth_server.domain.signing_keys import (
    KeyPair,
    KeyRecord,
    Keyring,
    KeyState,
    SigningKey,
    from_pem,
    generate_key,
)
from shared.oauth.errors import TemporarilyUnavailable
from shared.oauth.signatures import SIGNS_UNSEEN_SECONDS

KINDS = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}


class Ticks:
    """Time that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def in_ring(pair: KeyPair, state: KeyState) -> SigningKey:
    return SigningKey(pair, KeyRecord(pair.kid, pair.algorithm, state, published_at=0))


ACTIVE = in_ring(generate_key("ES256"), KeyState.ACTIVE)
NEXT = in_ring(generate_key("EdDSA"), KeyState.NEXT)


@pytest.mark.parametrize(("algorithm", "kind"), KINDS.items())
def test_a_key_is_read_back_from_its_pem(algorithm: str, kind: str) -> None:
    made = generate_key(algorithm)
    read = from_pem(made.pem())
    assert (read.kid, read.algorithm) == (made.kid, made.algorithm) == (made.key.thumbprint(), algorithm)
    assert read.pem() == made.pem()
    assert from_pem(made.pem().decode()).kid == made.kid
    public = made.public_jwk()
    assert (public["kty"], public["kid"], public["use"], public["alg"]) == (kind, made.kid, "sig", algorithm)
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(public)


def test_the_default_is_an_rsa_key_of_2048_bits() -> None:
    pair = generate_key()
    assert pair.algorithm == "RS256"
    assert len(pair.public_jwk()["n"]) == 342


def test_an_empty_ring_signs_and_publishes_nothing() -> None:
    ring = Keyring()
    assert not ring.is_loaded
    assert ring.records == ()
    assert ring.find(ACTIVE.pair.kid) is None
    assert ring.algorithm("RS256") == "RS256"
    for ask in (ring.active, ring.signing_key, ring.jwks):
        with pytest.raises(TemporarilyUnavailable):
            ask()


def test_a_ring_publishes_every_key_and_signs_with_the_active_one() -> None:
    ring = Keyring()
    ring.replace(iter([NEXT, ACTIVE]))
    assert ring.is_loaded
    assert ring.records == (NEXT.record, ACTIVE.record)
    assert ring.active() == ring.signing_key() == ring.find(ACTIVE.pair.kid) == ACTIVE.pair
    assert ring.find(NEXT.pair.kid) == NEXT.pair
    assert ring.find("other") is None
    assert ring.algorithm("RS256") == "ES256"
    assert ring.jwks() == {"keys": [NEXT.pair.public_jwk(), ACTIVE.pair.public_jwk()]}


def test_a_set_without_an_active_key_changes_nothing() -> None:
    ticks = Ticks()
    ring = Keyring(monotonic=ticks)
    ring.replace([ACTIVE])
    ticks.now += SIGNS_UNSEEN_SECONDS + 1
    ring.replace([NEXT])
    assert ring.active() == ACTIVE.pair
    assert ring.records == (ACTIVE.record,)
    with pytest.raises(TemporarilyUnavailable):
        ring.signing_key()


def test_a_ring_that_was_not_seen_for_too_long_does_not_sign() -> None:
    ticks = Ticks()
    ring = Keyring(monotonic=ticks)
    ring.replace([ACTIVE])
    ticks.now += SIGNS_UNSEEN_SECONDS
    assert ring.signing_key() == ACTIVE.pair
    ticks.now += 1
    with pytest.raises(TemporarilyUnavailable):
        ring.signing_key()
    ring.replace([ACTIVE])
    assert ring.signing_key() == ACTIVE.pair


def test_a_cleared_ring_is_empty() -> None:
    ring = Keyring()
    ring.replace([ACTIVE])
    ring.clear()
    assert not ring.is_loaded
    assert ring.records == ()
