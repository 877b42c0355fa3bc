"""What is sealed with which key is counted, and sealed again while replicas serve."""

import pytest
from redis.asyncio import Redis

from auth_server.domain.approval import seal_session_credential
from auth_server.domain.generate import digest
from auth_server.domain.signing_keys import KeyPair, generate_key
from auth_server.store.keyring import KeyRole
from auth_server.store.redis import sealed_values
from auth_server.store.redis.keyring import SEALED_KEYS, RedisKeyringStore
from auth_server.store.redis.sealed_values import KeyUse, SealedValues
from shared.clock import Clock
from shared.credentials import CredentialOwner, CredentialStore, credential_key, seal_credential
from shared.key_check import KeyCheck, StoreEmptiedError, WrongEncryptionKeyError
from shared.sealing import Sealer, key_id, sealing_key_id
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

OLD, NEW = b"o" * 32, b"n" * 32
BEFORE, AFTER = Sealer(OLD, NEW), Sealer(NEW, OLD)
CREDENTIALS = 12


def owner(number: int) -> CredentialOwner:
    return CredentialOwner(f"{number:022}", f"user-{number}", "client_a")


async def keep_credential(redis: Redis, number: int, sealer: Sealer) -> None:
    """Keep a grant and its credential as they are in use."""
    one = owner(number)
    await redis.hset(
        f"vt:{{{one.grant_id}}}:grant",
        mapping={"status": "active", "subject": one.subject, "client": one.client_id},
    )
    await redis.set(credential_key(one.grant_id), seal_credential(sealer, one, f"vtwn_{number}"), ex=1000)


async def keep_session(redis: Redis, session_id: str, sealer: Sealer) -> None:
    sealed = seal_session_credential(sealer, session_id, "vtwn_x")
    await redis.hset(f"vt:session:{digest(session_id)}", mapping={"subject": "x", "credential": sealed})


@pytest.fixture(scope="module")
def signing_key() -> KeyPair:
    return generate_key()


@pytest.fixture
async def store(
    redis: Redis, clock: Clock, signing_key: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> SealedValues:
    """Return the values of a store that was sealed with the old key throughout, as the new one finds it."""
    monkeypatch.setattr(sealed_values, "BATCH", 5)
    await KeyCheck(redis, BEFORE).claim()
    await RedisKeyringStore(redis, BEFORE, clock, token_seconds=3600).add(signing_key, KeyRole.FIRST)
    for number in range(CREDENTIALS):
        await keep_credential(redis, number, BEFORE)
    await keep_session(redis, "vtss_one", BEFORE)
    # Owner mode, and other people's keys of a like name: neither is a sealed value.
    await redis.hset(f"vt:session:{digest('vtss_owner')}", mapping={"subject": "y", "credential": ""})
    await redis.set("vt:{x}:successor", Sealer(b"t" * 32).seal(b"x", purpose="other", owner=()))
    return SealedValues(redis, AFTER)


def use(key: bytes, **counts: int) -> KeyUse:
    """Return the line of a key of the new process's ring."""
    zero = {"credentials": 0, "signing_keys": 0, "sessions": 0}
    return KeyUse(key_id=key_id(key), seals=key == NEW, opens=True, in_use=True, **{**zero, **counts})


@requirement("L233")
async def test_everything_is_sealed_again_and_opens_as_before(
    store: SealedValues, redis: Redis, clock: Clock, signing_key: KeyPair
) -> None:
    done = await store.reseal()
    assert (done.resealed, done.unopened.total()) == (CREDENTIALS + 1, 0)
    only_new = Sealer(NEW)
    for number in range(CREDENTIALS):
        assert await CredentialStore(redis, only_new).read(owner(number)) == f"vtwn_{number}"
        assert 0 < await redis.ttl(credential_key(owner(number).grant_id)) <= 1000
    (loaded,) = await RedisKeyringStore(redis, only_new, clock, token_seconds=3600).load()
    assert loaded.pair.pem() == signing_key.pem()
    again = await store.reseal()
    assert again.resealed == 0


@requirement("L233")
async def test_status_counts_what_each_key_seals(store: SealedValues, redis: Redis) -> None:
    old = use(OLD, credentials=CREDENTIALS, signing_keys=1, sessions=1)
    assert [one for one in await store.status() if one.key_id == old.key_id] == [old]
    await KeyCheck(redis, AFTER).verify()
    assert await store.status() == (use(NEW), old)
    await store.reseal()
    done = (use(NEW, credentials=CREDENTIALS, signing_keys=1), use(OLD, sessions=1))
    assert await store.status() == done


async def test_status_shows_keys_that_are_not_here_and_keys_that_are_not_in_use(
    store: SealedValues, redis: Redis
) -> None:
    of_another = await SealedValues(redis, Sealer(b"t" * 32)).status()
    shown = {one.key_id: (one.seals, one.opens, one.in_use, one.credentials) for one in of_another}
    assert shown == {
        key_id(b"t" * 32): (True, True, False, 0),
        key_id(OLD): (False, False, True, CREDENTIALS),
    }


@requirement("L233")
async def test_a_key_stays_in_use_while_a_session_is_sealed_with_it(
    store: SealedValues, redis: Redis
) -> None:
    done = await store.reseal()
    assert (done.struck, done.waiting) == ((), (key_id(OLD),))
    with pytest.raises(WrongEncryptionKeyError):
        await KeyCheck(redis, Sealer(NEW)).verify()
    await redis.delete(f"vt:session:{digest('vtss_one')}")
    done = await store.reseal()
    assert (done.struck, done.waiting) == ((key_id(OLD),), ())
    # The old key may go now.
    await KeyCheck(redis, Sealer(NEW)).verify()


async def test_what_is_damaged_is_counted_left_alone_and_keeps_no_key(
    store: SealedValues, redis: Redis
) -> None:
    await redis.delete(f"vt:session:{digest('vtss_one')}")
    damaged = credential_key(owner(3).grant_id)
    sealed = str(await redis.get(damaged))
    await redis.set(damaged, sealed[:-2] + ("AA" if not sealed.endswith("AA") else "BB"))
    await redis.delete(f"vt:{{{owner(4).grant_id}}}:grant")
    left = [await redis.get(damaged), await redis.get(credential_key(owner(4).grant_id))]
    done = await store.reseal()
    assert (done.resealed, done.unopened) == (CREDENTIALS + 1 - 2, {key_id(OLD): 2})
    assert [await redis.get(damaged), await redis.get(credential_key(owner(4).grant_id))] == left
    assert done.struck == (key_id(OLD),)


async def test_it_does_nothing_without_every_key_in_use_or_to_an_empty_store(
    store: SealedValues, redis: Redis
) -> None:
    kept = await redis.hgetall(SEALED_KEYS)
    with pytest.raises(WrongEncryptionKeyError):
        await SealedValues(redis, Sealer(NEW)).reseal()
    assert await redis.hgetall(SEALED_KEYS) == kept
    await redis.flushdb()
    with pytest.raises(StoreEmptiedError):
        await store.reseal()
    assert await redis.dbsize() == 0


async def test_a_signing_key_is_sealed_again_when_it_is_loaded(
    store: SealedValues, redis: Redis, clock: Clock, signing_key: KeyPair
) -> None:
    (loaded,) = await RedisKeyringStore(redis, AFTER, clock, token_seconds=3600).load()
    assert loaded.pair.pem() == signing_key.pem()
    assert sealing_key_id((await redis.hgetall(SEALED_KEYS))[signing_key.kid]) == key_id(NEW)
