"""Whether what the settings name is there and fits: the store, its encryption key, Val Town."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import httpx
from redis.asyncio import Redis

from auth_server.settings import AuthSettings
from shared.key_check import KeyCheck, StoreEmptiedError, WrongEncryptionKeyError
from shared.redis.client import StoreError, connect
from shared.redis.watch import EVICTS_NOTHING, describe, policies_of
from shared.valtown.client import ValTownClient
from shared.valtown.errors import ValTownError
from shared.valtown.transport import Bounds

_SECONDS: Final = 5.0


class Result(StrEnum):
    """What came of a check; only FAILED makes the command fail."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One check, and a sentence for the operator without any secret."""

    name: str
    result: Result
    detail: str


async def run_checks(settings: AuthSettings) -> list[Check]:
    """Return the checks of everything outside, each within seconds. Nothing is written anywhere."""
    if not settings.oauth_enabled:
        reason = "OAUTH_ENABLED=false: nothing is kept and nobody signs in."
        return [Check(name, Result.SKIPPED, reason) for name in ("store", "encryption key", "val town")]
    async with connect(settings.redis_url.get_secret_value()) as redis:
        store = await _store(redis, settings.redis_wait_replicas)
        key = await _encryption_key(redis, settings)
    async with httpx.AsyncClient(timeout=_SECONDS) as http:
        return [store, key, await _val_town(http, settings)]


async def _store(redis: Redis, replicas: int) -> Check:
    try:
        await redis.ping()
    except (StoreError, OSError) as error:
        return Check("store", Result.FAILED, f"It does not answer: {error}.")
    try:
        described = await describe(redis)
    except StoreError:
        return Check("store", Result.OK, "It answers; it does not tell its maxmemory-policy.")
    if evicting := policies_of(described) - {EVICTS_NOTHING}:
        policy = ", ".join(sorted(evicting))
        advice = (
            f"Its maxmemory-policy is {policy}: when it is full it forgets revocations and grants, and no "
            f"replica is ready. Use {EVICTS_NOTHING}."
        )
        return Check("store", Result.FAILED, advice)
    followers = min(int(one.get("connected_slaves", 0)) for one in described)
    if followers < replicas:
        shortage = f"It has {followers} replicas, and REDIS_WAIT_REPLICAS={replicas}: nobody can sign in."
        return Check("store", Result.FAILED, shortage)
    return Check("store", Result.OK, "It answers.")


async def _encryption_key(redis: Redis, settings: AuthSettings) -> Check:
    name, key_id = "encryption key", settings.sealer.key_id
    try:
        entered = await KeyCheck(redis, settings.sealer).examine()
    except (StoreError, OSError):
        return Check(name, Result.SKIPPED, "The store does not answer.")
    except StoreEmptiedError:
        return Check(
            name, Result.WARNING, "The store is empty: no service has begun to use it, or it lost all."
        )
    except WrongEncryptionKeyError as error:
        return Check(name, Result.FAILED, str(error))
    if not entered:
        return Check(name, Result.OK, f"It opens the store's secrets; none is sealed with {key_id} yet.")
    return Check(name, Result.OK, f"The store knows it as {key_id}.")


async def _val_town(http: httpx.AsyncClient, settings: AuthSettings) -> Check:
    name, url = "val town", settings.val_town_api_url
    if settings.val_town_api_token is None:
        return await _reachable(http, url)
    token = settings.val_town_api_token.get_secret_value()
    try:
        owner = await ValTownClient(http, url, token, bounds=Bounds(total_seconds=_SECONDS)).me()
    except ValTownError as error:
        return Check(name, Result.FAILED, f"{url}, asked with VAL_TOWN_API_TOKEN: {error.message}")
    return Check(name, Result.OK, f"{url} answers; VAL_TOWN_API_TOKEN is of {owner.username or owner.id}.")


async def _reachable(http: httpx.AsyncClient, url: str) -> Check:
    # Without a credential 401 is the right answer, and says that this is an API.
    try:
        async with http.stream("GET", f"{url}/v1/me") as response:
            status = response.status_code
    except httpx.HTTPError as error:
        return Check(
            "val town", Result.FAILED, f"{url} does not answer: {str(error) or type(error).__name__}."
        )
    if status not in (200, 401, 403):
        return Check("val town", Result.FAILED, f"{url} answers {status}: is it Val Town's API?")
    return Check("val town", Result.OK, f"{url} answers.")
