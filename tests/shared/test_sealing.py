"""Sealing: AES-256-GCM whose ciphertext opens for its purpose, its owner and its key alone (RFC 5116)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from shared.credentials import (
    CredentialGoneError,
    CredentialOwner,
    CredentialStore,
    credential_key,
    seal_credential,
)
from shared.sealing import Sealer, UnsealError, base64url, from_base64url
from tests.requirements import requirement

KEY = bytes(range(32))
OWNER = ("grant", "subject", "client")


@given(st.binary(max_size=300))
def test_what_is_sealed_opens_again(plaintext: bytes) -> None:
    sealer = Sealer(KEY)
    sealed = sealer.seal(plaintext, purpose="test", owner=OWNER)
    assert sealer.unseal(sealed, purpose="test", owner=OWNER) == plaintext
    assert sealed.isascii()


def test_the_same_plaintext_is_sealed_differently_each_time() -> None:
    sealer = Sealer(KEY)
    assert len({sealer.seal(b"same", purpose="test", owner=OWNER) for _ in range(1000)}) == 1000


def test_the_key_id_is_in_the_ciphertext_and_tells_nothing_of_the_key() -> None:
    version, key_id, _, _ = Sealer(KEY).seal(b"x", purpose="test", owner=OWNER).split(".")
    assert version == "v1"
    assert key_id == Sealer(KEY).key_id != Sealer(b"k" * 32).key_id
    assert key_id not in (base64url(KEY), KEY.hex())


@pytest.mark.parametrize(
    ("purpose", "owner"),
    [
        ("other", OWNER),
        ("test", ("other", "subject", "client")),
        ("test", ("grant", "other", "client")),
        ("test", ("grant", "subject", "other")),
        ("test", ("grant", "subject")),
        ("test", (*OWNER, "")),
        ("test", ("grantsubject", "client")),
        ("test", ()),
    ],
)
def test_it_opens_for_no_other_purpose_or_owner(purpose: str, owner: tuple[str, ...]) -> None:
    sealed = Sealer(KEY).seal(b"secret", purpose="test", owner=OWNER)
    with pytest.raises(UnsealError):
        Sealer(KEY).unseal(sealed, purpose=purpose, owner=owner)


def test_it_opens_with_no_other_key() -> None:
    sealed = Sealer(KEY).seal(b"secret", purpose="test", owner=OWNER)
    with pytest.raises(UnsealError):
        Sealer(b"k" * 32).unseal(sealed, purpose="test", owner=OWNER)
    # Not even under the right key's name.
    forged = sealed.replace(Sealer(KEY).key_id, Sealer(b"k" * 32).key_id)
    with pytest.raises(UnsealError):
        Sealer(b"k" * 32).unseal(forged, purpose="test", owner=OWNER)


@requirement("L229")
def test_no_changed_character_goes_unnoticed() -> None:
    sealed = Sealer(KEY).seal(b"secret", purpose="test", owner=OWNER)
    for position, character in enumerate(sealed):
        for other in ("A" if character != "A" else "B", ".", "é", ""):
            changed = sealed[:position] + other + sealed[position + 1 :]
            if changed != sealed:
                with pytest.raises(UnsealError):
                    Sealer(KEY).unseal(changed, purpose="test", owner=OWNER)


@pytest.mark.parametrize(
    "text", ["", ".", "...", "v1...", "v2.x.y.z", "v1.x.y.z.w", "\x00", "v1." + "A" * 10_000]
)
def test_what_is_no_ciphertext_does_not_open(text: str) -> None:
    with pytest.raises(UnsealError):
        Sealer(KEY).unseal(text, purpose="test", owner=OWNER)


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_key_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        Sealer(b"k" * length)


def test_derived_keys_differ_by_purpose_and_key() -> None:
    keys = {
        Sealer(KEY).derive("one"),
        Sealer(KEY).derive("two"),
        Sealer(b"k" * 32).derive("one"),
        Sealer.key_from("one"),
        KEY,
    }
    assert len(keys) == 5
    assert Sealer(KEY).derive("one") == Sealer(KEY).derive("one")


@given(st.binary(max_size=100))
def test_base64url_is_read_back(data: bytes) -> None:
    text = base64url(data)
    assert "=" not in text
    assert from_base64url(text) == data


@pytest.mark.parametrize("text", ["=", "AA==", "A", "AB", "A+", "A/", "A A", "AA\n", "é", "AAAAA"])
def test_other_spellings_of_base64url_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        from_base64url(text)


@requirement("L230")
@pytest.mark.anyio
async def test_a_credential_opens_for_its_own_grant_alone(redis: Redis) -> None:
    store = CredentialStore(redis, Sealer(KEY))
    owner = CredentialOwner("g" * 22, "user", "client_a")
    sealed = seal_credential(Sealer(KEY), owner, "vtwn_ada")
    await redis.set(credential_key(owner.grant_id), sealed)
    assert await store.read(owner) == "vtwn_ada"
    # Copied to another grant, as somebody with access to the store could.
    other = CredentialOwner("h" * 22, "user", "client_a")
    await redis.set(credential_key(other.grant_id), sealed)
    wrong = [
        other,
        CredentialOwner(owner.grant_id, "somebody else", "client_a"),
        CredentialOwner(owner.grant_id, "user", "client_b"),
        CredentialOwner("i" * 22, "user", "client_a"),
    ]
    for one in wrong:
        with pytest.raises(CredentialGoneError):
            await store.read(one)


@pytest.mark.anyio
async def test_an_owner_mode_grant_keeps_no_token(redis: Redis) -> None:
    owner = CredentialOwner("g" * 22, "user", "client_a")
    await redis.set(credential_key(owner.grant_id), seal_credential(Sealer(KEY), owner, None))
    assert await CredentialStore(redis, Sealer(KEY)).read(owner) is None
