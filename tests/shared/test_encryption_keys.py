"""Several encryption keys: one seals, all open, and processes that share a store can open what any seals."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from shared.credentials import (
    CredentialGoneError,
    CredentialOwner,
    CredentialStore,
    credential_key,
    seal_credential,
)
from shared.key_check import KeyCheck, StoreEmptiedError, WrongEncryptionKeyError
from shared.redis.client import connect
from shared.redis.scripts import load_script
from shared.resealing import Resealer, SealedValue
from shared.sealing import Sealer, UnknownKeyError, UnsealError, key_id, sealing_key_id
from tests.auth_server.faulty_wire import wire_to
from tests.requirements import requirement

OLD, NEW, THIRD = b"o" * 32, b"n" * 32, b"t" * 32
OWNER = CredentialOwner("g" * 22, "user", "client_a")
KEY = credential_key(OWNER.grant_id)
KEY_CHECK = "vt:meta:key-check"


@requirement("L233")
@pytest.mark.parametrize("order", [(OLD, NEW, THIRD), (NEW, THIRD, OLD), (THIRD, OLD, NEW)])
def test_what_any_key_of_the_ring_sealed_opens_and_the_first_one_seals(order: Sequence[bytes]) -> None:
    ring = Sealer(*order)
    for key in order:
        sealed = Sealer(key).seal(b"secret", purpose="test", owner=("a",))
        assert ring.unseal(sealed, purpose="test", owner=("a",)) == b"secret"
        assert ring.seals_with(sealed) is (key == order[0])
    mine = ring.seal(b"secret", purpose="test", owner=("a",))
    assert sealing_key_id(mine) == ring.key_id == key_id(order[0])
    assert Sealer(order[0]).unseal(mine, purpose="test", owner=("a",)) == b"secret"
    assert ring.key_ids == {key_id(key) for key in order}


@requirement("L233")
def test_a_key_that_was_taken_away_is_named() -> None:
    sealed = Sealer(OLD).seal(b"secret", purpose="test", owner=("a",))
    with pytest.raises(UnknownKeyError) as caught:
        Sealer(NEW, THIRD).unseal(sealed, purpose="test", owner=("a",))
    assert caught.value.key_id == key_id(OLD)
    assert key_id(OLD) in str(caught.value)


def test_a_ciphertext_under_the_name_of_another_key_of_the_ring_does_not_open() -> None:
    ring = Sealer(NEW, OLD)
    sealed = Sealer(OLD).seal(b"secret", purpose="test", owner=("a",))
    with pytest.raises(UnsealError):
        ring.unseal(sealed.replace(key_id(OLD), key_id(NEW)), purpose="test", owner=("a",))


@pytest.mark.parametrize("text", ["", "v1", "v1.", "v2.00000000.A.A", "v1.0000000.A.A", "v1.0000000G.A.A"])
def test_what_names_no_key_is_not_taken_for_a_missing_one(text: str) -> None:
    assert sealing_key_id(text) is None
    with pytest.raises(UnsealError) as caught:
        Sealer(NEW).unseal(text, purpose="test", owner=())
    assert not isinstance(caught.value, UnknownKeyError)


def test_derived_keys_come_from_every_key_of_the_ring_and_the_first_is_used() -> None:
    ring = Sealer(NEW, OLD, THIRD)
    assert ring.derive("test") == Sealer(NEW).derive("test") == ring.derive_each("test")[0]
    assert set(ring.derive_each("test")) == {Sealer(key).derive("test") for key in (OLD, NEW, THIRD)}
    assert len(ring.derive_each("test")) == 3


@requirement("L233")
@pytest.mark.anyio
async def test_the_encryption_key_changes_while_processes_with_either_key_run(redis: Redis) -> None:
    before = KeyCheck(redis, Sealer(OLD))
    await before.claim()
    # The new key may open everywhere before it seals anywhere.
    prepared = KeyCheck(redis, Sealer(OLD, NEW))
    await prepared.claim()
    swapped = KeyCheck(redis, Sealer(NEW, OLD))
    await swapped.claim()
    await prepared.verify()
    await swapped.verify()
    assert await swapped.entered() == {key_id(OLD), key_id(NEW)}
    with pytest.raises(WrongEncryptionKeyError) as caught:
        await before.verify()
    assert caught.value.missing == (key_id(NEW),)
    assert key_id(NEW) in str(caught.value)
    # At the end nothing needs the old key any more.
    await swapped.strike([key_id(OLD)])
    await KeyCheck(redis, Sealer(NEW)).claim()
    with pytest.raises(WrongEncryptionKeyError):
        await before.verify()


@requirement("L233")
@pytest.mark.anyio
async def test_a_process_that_lacks_a_key_in_use_enters_nothing(redis: Redis) -> None:
    await KeyCheck(redis, Sealer(OLD)).claim()
    kept = await redis.hgetall(KEY_CHECK)
    for stranger in (Sealer(NEW), Sealer(NEW, THIRD)):
        for enter in (KeyCheck(redis, stranger).claim, KeyCheck(redis, stranger).verify):
            with pytest.raises(WrongEncryptionKeyError) as caught:
                await enter()
            assert caught.value.missing == (key_id(OLD),)
    assert await redis.hgetall(KEY_CHECK) == kept
    await KeyCheck(redis, Sealer(NEW, OLD)).claim()


@pytest.mark.anyio
async def test_a_field_that_does_not_open_with_the_key_it_names_is_a_missing_key(redis: Redis) -> None:
    await KeyCheck(redis, Sealer(OLD)).claim()
    await KeyCheck(redis, Sealer(NEW, OLD)).claim()
    kept = await redis.hgetall(KEY_CHECK)
    await redis.hset(KEY_CHECK, key_id(OLD), kept[key_id(NEW)])
    with pytest.raises(WrongEncryptionKeyError) as caught:
        await KeyCheck(redis, Sealer(NEW, OLD)).verify()
    assert caught.value.missing == (key_id(OLD),)


@pytest.mark.anyio
async def test_an_emptied_store_is_begun_anew_by_nobody_who_only_looks(redis: Redis) -> None:
    with pytest.raises(StoreEmptiedError):
        await KeyCheck(redis, Sealer(NEW)).verify()
    assert await redis.dbsize() == 0
    await KeyCheck(redis, Sealer(NEW)).claim()
    await KeyCheck(redis, Sealer(NEW)).verify()


@pytest.mark.anyio
async def test_a_store_that_is_emptied_between_looking_and_entering_stays_empty(redis: Redis) -> None:
    enter = load_script(redis, "shared.redis.lua", "enter_encryption_key")
    own = key_id(NEW)
    assert await enter(keys=[KEY_CHECK], args=["0", own, "sealed", own]) == 0
    assert await redis.dbsize() == 0
    assert await enter(keys=[KEY_CHECK], args=["1", own, "sealed", own]) == 1
    assert await redis.hgetall(KEY_CHECK) == {own: "sealed"}


@pytest.mark.anyio
async def test_a_process_that_still_seals_with_a_struck_key_enters_it_again(redis: Redis) -> None:
    old, new = KeyCheck(redis, Sealer(OLD, NEW)), KeyCheck(redis, Sealer(NEW, OLD))
    await old.claim()
    await new.claim()
    await new.strike([key_id(OLD), key_id(NEW)])
    assert await new.entered() == {key_id(NEW)}
    await old.verify()
    assert await new.entered() == {key_id(OLD), key_id(NEW)}


async def old_credential(redis: Redis) -> str:
    """Keep a credential that was sealed with the old key; return the ciphertext."""
    await KeyCheck(redis, Sealer(OLD)).claim()
    sealed = seal_credential(Sealer(OLD), OWNER, "vtwn_ada")
    await redis.set(KEY, sealed, px=500_000)
    return sealed


@requirement("L233")
@pytest.mark.anyio
async def test_a_credential_of_the_old_key_is_sealed_again_when_it_is_read(redis: Redis) -> None:
    await old_credential(redis)
    assert await CredentialStore(redis, Sealer(NEW, OLD)).read(OWNER) == "vtwn_ada"
    sealed = str(await redis.get(KEY))
    assert sealing_key_id(sealed) == key_id(NEW)
    assert 0 < await redis.pttl(KEY) <= 500_000
    assert await KeyCheck(redis, Sealer(NEW, OLD)).entered() == {key_id(OLD), key_id(NEW)}
    # Without the old key now, and not sealed a second time.
    assert await CredentialStore(redis, Sealer(NEW, OLD)).read(OWNER) == "vtwn_ada"
    assert await redis.get(KEY) == sealed


@pytest.mark.anyio
async def test_who_seals_with_the_old_key_leaves_its_credentials_alone(redis: Redis) -> None:
    sealed = await old_credential(redis)
    assert await CredentialStore(redis, Sealer(OLD, NEW)).read(OWNER) == "vtwn_ada"
    assert await redis.get(KEY) == sealed


@pytest.mark.anyio
async def test_sealing_again_changes_nothing_that_changed_meanwhile(redis: Redis) -> None:
    sealed = await old_credential(redis)
    resealer = Resealer(redis, Sealer(NEW, OLD))
    owner = (OWNER.grant_id, OWNER.subject, OWNER.client_id)
    read = SealedValue(KEY, sealed, "val-town-credential", owner)
    newer = seal_credential(Sealer(OLD), OWNER, "vtwn_newer")
    await redis.set(KEY, newer)
    assert await resealer.reseal(read) is False
    assert await redis.get(KEY) == newer
    await redis.delete(KEY)
    assert await resealer.reseal(read) is False
    assert not await redis.exists(KEY)
    in_hash = SealedValue("vt:hash", sealed, "val-town-credential", owner, field="one")
    await redis.hset("vt:hash", mapping={"one": newer, "two": "x"})
    assert await resealer.reseal(in_hash) is False
    await redis.hset("vt:hash", "one", sealed)
    assert await resealer.reseal(in_hash) is True
    kept = await redis.hgetall("vt:hash")
    assert sealing_key_id(kept["one"]) == key_id(NEW)
    assert kept["two"] == "x"


@pytest.mark.anyio
async def test_of_many_that_seal_a_value_again_at_once_one_does(redis: Redis, redis_url: str) -> None:
    sealed = await old_credential(redis)
    owner = (OWNER.grant_id, OWNER.subject, OWNER.client_id)
    read = SealedValue(KEY, sealed, "val-town-credential", owner)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect(redis_url)) for _ in range(8)]
        for client in clients:
            await client.ping()
        resealers = [Resealer(client, Sealer(NEW, OLD)) for client in clients]
        for _ in range(30):
            await redis.set(KEY, sealed)
            outcomes = await asyncio.gather(*(resealer.reseal(read) for resealer in resealers))
            assert sorted(outcomes) == [False] * 7 + [True]
            assert await CredentialStore(redis, Sealer(NEW)).read(OWNER) == "vtwn_ada"


@pytest.mark.anyio
@pytest.mark.parametrize("sendings", [1, 2, 3])
async def test_a_store_that_fails_while_sealing_again_fails_no_read(
    redis: Redis, redis_url: str, sendings: int
) -> None:
    sealed = await old_credential(redis)
    async with wire_to(redis_url) as wire, connect(wire.url) as client:
        store = CredentialStore(client, Sealer(NEW, OLD))
        await client.ping()
        wire.cut_after(sendings)
        assert await store.read(OWNER) == "vtwn_ada"
        assert await redis.get(KEY) == sealed


@pytest.mark.anyio
async def test_nothing_is_sealed_again_by_a_process_that_lacks_a_key_in_use(redis: Redis) -> None:
    sealed = await old_credential(redis)
    await KeyCheck(redis, Sealer(THIRD, OLD)).claim()
    assert await CredentialStore(redis, Sealer(NEW, OLD)).read(OWNER) == "vtwn_ada"
    assert await redis.get(KEY) == sealed


@requirement("L233")
@pytest.mark.anyio
async def test_a_credential_of_a_missing_key_is_not_gone_and_one_of_a_key_that_never_was_is(
    redis: Redis,
) -> None:
    await old_credential(redis)
    with pytest.raises(WrongEncryptionKeyError) as caught:
        await CredentialStore(redis, Sealer(NEW)).read(OWNER)
    assert caught.value.missing == (key_id(OLD),)
    await redis.set(KEY, seal_credential(Sealer(THIRD), OWNER, "vtwn_ada"))
    with pytest.raises(CredentialGoneError):
        await CredentialStore(redis, Sealer(OLD)).read(OWNER)


@requirement("L232")
def test_no_nonce_comes_twice_in_a_hundred_thousand() -> None:
    sealer = Sealer(NEW)
    nonces = {sealer.seal(b"same", purpose="test", owner=("same",)).split(".")[2] for _ in range(100_000)}
    assert len(nonces) == 100_000


@requirement("L231")
@pytest.mark.anyio
async def test_an_older_ciphertext_of_a_grant_holds_what_the_newer_one_does(redis: Redis) -> None:
    older = await old_credential(redis)
    store = CredentialStore(redis, Sealer(NEW, OLD))
    assert await store.read(OWNER) == "vtwn_ada"
    await redis.set(KEY, older)
    assert await store.read(OWNER) == "vtwn_ada"
    assert sealing_key_id(str(await redis.get(KEY))) == key_id(NEW)
