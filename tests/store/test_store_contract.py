"""What the storage contract calls atomic, in a race: connected clients that start together, many rounds."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest
from redis.asyncio import Redis

from auth_server.domain import generate
from auth_server.domain.signing_keys import KeyPair, generate_key
from auth_server.models import AuthorizationCode, Grant, PendingAuthorization
from auth_server.store.base import CodeRedemption, Redemption, RefreshRotation, Rotation
from auth_server.store.keyring import KeyRole
from auth_server.store.redis.grants import GrantLifetimes, RedisGrantStore
from auth_server.store.redis.keyring import RedisKeyringStore
from auth_server.store.redis.pending_authorizations import RedisPendingAuthorizationStore
from shared.clock import Clock
from shared.key_check import KeyCheck, WrongEncryptionKeyError
from shared.oauth.signatures import PUBLISHED_BEFORE_USE
from shared.redis.client import StoreError, connect
from shared.revocation import deny_key
from shared.sealing import Sealer
from tests.requirements import requirement
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

CLIENTS = 16
ROUNDS = 20
LIFETIMES = GrantLifetimes(access_token=3600, refresh_token=2_592_000, grant=31_536_000, refresh_grace=60)

Result = TypeVar("Result")


@pytest.fixture
async def clients(redis: Redis, redis_url: str) -> AsyncIterator[Sequence[Redis]]:
    """Return clients of the emptied store, connected: connecting would serialise a race."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connect(redis_url)) for _ in range(CLIENTS)]
        for client in opened:
            await client.ping()
        yield opened


@pytest.fixture
def grants(clients: Sequence[Redis], clock: Clock) -> list[RedisGrantStore]:
    return [RedisGrantStore(client, clock, LIFETIMES) for client in clients]


async def race(starters: Sequence[Callable[[], Awaitable[Result]]]) -> list[Result]:
    """Return the results of calls that begin together."""
    barrier = asyncio.Barrier(len(starters))

    async def run(start: Callable[[], Awaitable[Result]]) -> Result:
        await barrier.wait()
        return await start()

    return await asyncio.gather(*(run(start) for start in starters))


def new_grant() -> Grant:
    return Grant(generate.grant_id(), "client_a", "user_a", "ada", ("read",), "https://mcp.test/mcp")


async def pending_code(store: RedisGrantStore) -> CodeRedemption:
    """Return the right redemption of a code that was just approved."""
    grant = new_grant()
    code = AuthorizationCode(
        generate.secret(""), grant.client_id, "https://client.example.com/c", "challenge"
    )
    await store.create(grant, code, "sealed")
    return CodeRedemption(
        grant_id=grant.grant_id,
        code_hash=code.code_hash,
        client_id=grant.client_id,
        redirect_uri=code.redirect_uri,
        code_challenge=code.code_challenge,
        subject=grant.subject,
        version=0,
        refresh_hash="refresh-1",
    )


async def active_grant(store: RedisGrantStore) -> RefreshRotation:
    """Return the right rotation of the first refresh token of a grant."""
    redemption = await pending_code(store)
    assert await store.redeem(redemption) is Redemption.OK
    return RefreshRotation(
        grant_id=redemption.grant_id,
        client_id=redemption.client_id,
        generation=1,
        subject=redemption.subject,
        version=0,
        presented_hash="refresh-1",
        successor_hash="refresh-2",
        sealed_response="response",
    )


@requirement("O12", "C55")
async def test_a_code_is_redeemed_exactly_once(grants: list[RedisGrantStore]) -> None:
    for _ in range(ROUNDS):
        redemption = await pending_code(grants[0])
        outcomes = await race([partial(store.redeem, redemption) for store in grants])
        assert outcomes.count(Redemption.OK) == 1
        # All of them were right, so somebody else had the code too: the grant is over, and the code with it.
        assert outcomes.count(Redemption.REUSED) == 1
        assert outcomes.count(Redemption.UNKNOWN) == CLIENTS - 2
        assert await grants[0].find(redemption.grant_id) is None


async def test_tokens_made_for_another_person_never_go_out(grants: list[RedisGrantStore]) -> None:
    store = grants[0]
    redemption = await pending_code(store)
    with pytest.raises(StoreError):
        await store.redeem(replace(redemption, subject="user_b"))
    assert await store.redeem(redemption) is Redemption.OK
    rotation = await active_grant(store)
    with pytest.raises(StoreError):
        await store.rotate(replace(rotation, subject="user_b"))
    assert await store.rotate(rotation) == (Rotation.OK, None)


@requirement("O13", "C56")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"code_challenge": "other"}, Redemption.WRONG_VERIFIER),
        ({"client_id": "client_b"}, Redemption.WRONG_CLIENT),
        ({"redirect_uri": "https://other.example/"}, Redemption.WRONG_REDIRECT_URI),
        ({"code_hash": "other"}, Redemption.UNKNOWN),
    ],
)
async def test_wrong_redemptions_in_a_race_with_a_right_one_harm_nothing(
    grants: list[RedisGrantStore], change: dict[str, str], expected: Redemption
) -> None:
    for _ in range(ROUNDS):
        right = await pending_code(grants[0])
        wrong = replace(right, **change)
        presented = [wrong] * (CLIENTS - 1) + [right]
        outcomes = await race(
            [partial(store.redeem, one) for store, one in zip(grants, presented, strict=True)]
        )
        assert outcomes == [expected] * (CLIENTS - 1) + [Redemption.OK]
        assert await grants[0].find(right.grant_id) is not None


@requirement("E99")
async def test_a_refresh_token_has_one_successor_which_all_get(grants: list[RedisGrantStore]) -> None:
    for _ in range(ROUNDS):
        rotation = await active_grant(grants[0])
        presented = [
            replace(rotation, successor_hash=f"successor-{number}", sealed_response=f"response-{number}")
            for number in range(CLIENTS)
        ]
        outcomes = await race(
            [partial(store.rotate, one) for store, one in zip(grants, presented, strict=True)]
        )
        winners = [number for number, (outcome, _) in enumerate(outcomes) if outcome is Rotation.OK]
        assert len(winners) == 1
        others = [answer for number, answer in enumerate(outcomes) if number != winners[0]]
        assert others == [(Rotation.REPLAYED, f"response-{winners[0]}")] * (CLIENTS - 1)
        # One live tip: the winner's successor rotates, no loser's does.
        tip = replace(
            rotation,
            generation=2,
            presented_hash=f"successor-{winners[0]}",
            successor_hash="successor-of-tip",
        )
        assert (await grants[0].rotate(tip))[0] is Rotation.OK
        loser = replace(tip, presented_hash=f"successor-{(winners[0] + 1) % CLIENTS}")
        assert (await grants[0].rotate(loser))[0] is Rotation.REUSED


async def test_without_a_grace_window_one_rotation_wins_and_the_family_ends(
    clients: Sequence[Redis], clock: Clock
) -> None:
    strict = [RedisGrantStore(client, clock, replace(LIFETIMES, refresh_grace=0)) for client in clients]
    for _ in range(ROUNDS):
        rotation = await active_grant(strict[0])
        outcomes = await race([partial(store.rotate, rotation) for store in strict])
        counted = [outcome for outcome, _ in outcomes]
        assert counted.count(Rotation.OK) == 1
        assert set(counted) == {Rotation.OK, Rotation.REUSED, Rotation.REVOKED}
        assert counted.count(Rotation.REUSED) == 1
        assert await strict[0].find(rotation.grant_id) is None


@requirement("F121")
async def test_a_revocation_in_a_race_with_rotations_and_redemptions_is_final(
    grants: list[RedisGrantStore], redis: Redis
) -> None:
    for _ in range(ROUNDS):
        rotation = await active_grant(grants[0])
        calls: list[Callable[[], Awaitable[object]]] = [
            partial(store.rotate, rotation) for store in grants[1:]
        ]
        await race([partial(grants[0].revoke, rotation.grant_id, reason="test"), *calls])
        assert await grants[0].find(rotation.grant_id) is None
        assert await redis.exists(deny_key(rotation.grant_id))
        after = replace(rotation, generation=2, presented_hash="refresh-2", successor_hash="refresh-3")
        assert (await grants[0].rotate(after))[0] in (Rotation.REVOKED, Rotation.AHEAD)


async def test_a_grant_is_created_once(grants: list[RedisGrantStore]) -> None:
    grant = new_grant()
    code = AuthorizationCode("hash", grant.client_id, "https://client.example.com/c", "challenge")
    await grants[0].create(grant, code, "sealed")
    with pytest.raises(RuntimeError):
        await grants[1].create(grant, code, "sealed")


PENDING = PendingAuthorization(
    client_id="client_a",
    redirect_uri="https://client.example.com/c",
    state="state",
    code_challenge="challenge",
    scopes=("read",),
    resource="https://mcp.test/mcp",
    browser="browser",
    signed_in_before="",
)


@requirement("A36")
async def test_a_pending_authorization_is_taken_once(clients: Sequence[Redis], clock: Clock) -> None:
    stores = [RedisPendingAuthorizationStore(client, clock) for client in clients]
    for _ in range(ROUNDS):
        handle = generate.secret("")
        await stores[0].save(handle, PENDING)
        taken = await race([partial(store.take, handle, "browser") for store in stores])
        assert sorted(taken, key=lambda one: one is None) == [PENDING] + [None] * (CLIENTS - 1)


@requirement("C4")
async def test_a_pending_authorization_of_another_browser_stays(redis: Redis, clock: Clock) -> None:
    store = RedisPendingAuthorizationStore(redis, clock)
    await store.save("handle", PENDING)
    assert await store.find("handle", "other") is None
    assert await store.take("handle", "other") is None
    assert await store.take("handle", "browser") == PENDING


@pytest.fixture(scope="module")
def signing_keys() -> list[KeyPair]:
    return [generate_key("EdDSA") for _ in range(CLIENTS)]


@pytest.fixture
def rings(clients: Sequence[Redis], clock: Clock) -> list[RedisKeyringStore]:
    sealer = Sealer(bytes(range(32)))
    return [RedisKeyringStore(client, sealer, clock, token_seconds=3600) for client in clients]


@pytest.mark.parametrize("role", [KeyRole.FIRST, KeyRole.SCHEDULED])
async def test_however_many_add_a_first_key_at_once_one_is_active(
    clients: Sequence[Redis], rings: list[RedisKeyringStore], signing_keys: list[KeyPair], role: KeyRole
) -> None:
    for _ in range(ROUNDS):
        await clients[0].flushdb()
        await race([partial(ring.add, key, role) for ring, key in zip(rings, signing_keys, strict=True)])
        states = [record.state for record in await rings[0].records()]
        # One of those that came too late to be the first waits for its turn.
        assert sorted(states) == (["active"] if role is KeyRole.FIRST else ["active", "next"])


async def test_however_many_rotate_an_old_key_at_once_it_has_one_successor(
    clients: Sequence[Redis], rings: list[RedisKeyringStore], signing_keys: list[KeyPair], clock: Clock
) -> None:
    first, standby = generate_key("EdDSA"), generate_key("EdDSA")
    for _ in range(ROUNDS):
        await clients[0].flushdb()
        await rings[0].add(first, KeyRole.FIRST)
        await rings[0].add(standby, KeyRole.STANDBY)
        begun = await race(
            [
                partial(ring.rotate, key, replacing=first.kid)
                for ring, key in zip(rings, signing_keys, strict=True)
            ]
        )
        assert [each.kid for each in begun if each is not None] == [standby.kid]
        clock.advance(PUBLISHED_BEFORE_USE)
        changed = await race([ring.advance for ring in rings])
        assert changed.count(True) == 1
        states = [record.state for record in await rings[0].records()]
        assert sorted(states) == ["active", "next", "retiring"]
        clock.offset = 0.0


async def test_of_several_encryption_keys_at_once_one_claims_an_empty_store(clients: Sequence[Redis]) -> None:
    checks = [KeyCheck(client, Sealer(bytes([number]) * 32)) for number, client in enumerate(clients)]

    async def claims(check: KeyCheck) -> bool:
        try:
            await check.claim()
        except WrongEncryptionKeyError:
            return False
        return True

    for _ in range(ROUNDS):
        await clients[0].flushdb()
        claimed = await race([partial(claims, check) for check in checks])
        assert claimed.count(True) == 1
        assert [await claims(check) for check in checks] == claimed


async def test_every_key_of_a_grant_is_in_one_hash_slot(
    grants: list[RedisGrantStore], clients: Sequence[Redis]
) -> None:
    rotation = await active_grant(grants[0])
    await grants[0].rotate(rotation)
    await grants[0].revoke_access_token(rotation.grant_id, "token-id", expires_at=int(time.time()) + 100)
    keys = [key async for key in clients[0].scan_iter(match=f"*{rotation.grant_id}*")]
    assert len(keys) >= 4
    assert all(f"{{{rotation.grant_id}}}" in key for key in keys)


async def test_closing_the_client_closes_its_connections(redis: Redis, redis_url: str) -> None:
    client = connect(redis_url)
    await client.client_setname("to-be-closed")
    (named,) = [one for one in await redis.client_list() if one["name"] == "to-be-closed"]
    await client.aclose()

    async def closed() -> bool:
        return named["id"] not in {one["id"] for one in await redis.client_list()}

    await until(closed)


@requirement("C75")
async def test_the_operator_ends_grants_of_a_client_that_no_list_has(
    grants: list[RedisGrantStore], clients: Sequence[Redis]
) -> None:
    rotation = await active_grant(grants[0])
    await clients[0].delete(f"vt:client-grants:{rotation.client_id}")
    await grants[0].revoke_client("somebody_else", thorough=True)
    assert await grants[0].find(rotation.grant_id) is not None
    await grants[0].revoke_client(rotation.client_id, thorough=True)
    assert await grants[0].find(rotation.grant_id) is None
    assert await clients[0].exists(deny_key(rotation.grant_id))
