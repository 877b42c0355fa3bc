"""What is true of the store at any moment: the table of docs/architecture.md, as a check."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from redis.asyncio import Redis

_ID = r"[A-Za-z0-9_-]+"
_GRANT = r"\{" + _ID + r"\}"


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: what its keys look like, their type, and whether they may stay for ever."""

    pattern: str
    type: str
    for_ever: bool = False


KINDS: Final = (
    Kind(rf"vt:{_GRANT}:(grant|code)", "hash"),
    Kind(rf"vt:{_GRANT}:(successor|credential|flow|refreshing)", "string"),
    Kind(rf"vt:{_GRANT}:usage", "hash"),
    Kind(rf"vt:deny:{_GRANT}(:{_ID})?", "string"),
    # For ever only when the operator registered it; see `broken_rules`.
    Kind(rf"vt:client:({_ID}|https://.+)", "hash", for_ever=True),
    Kind(rf"vt:once:assertion:{_ID}", "string"),
    Kind(rf"vt:registration:{_ID}", "string"),
    Kind(rf"vt:trip:{_ID}", "string"),
    # One for each issuer of Val Town.
    Kind(rf"vt:val-town-client:{_ID}", "string", for_ever=True),
    Kind(rf"vt:flow:{_ID}", "list"),
    # The newest 4,096 files.
    Kind(r"vt:\{audit\}:heads", "hash", for_ever=True),
    Kind(r"vt:\{audit\}:order", "zset", for_ever=True),
    Kind(r"vt:client-grants:.+", "zset"),
    Kind(r"vt:user:.+:grants", "zset"),
    Kind(r"vt:limit:.+", "string"),
    Kind(rf"vt:consent:{_ID}", "string"),
    Kind(rf"vt:(pending|session):{_ID}", "hash"),
    Kind(r"vt:\{keys\}:(sealed|state)", "hash", for_ever=True),
    Kind(r"vt:meta:(key-check|epoch)", "hash", for_ever=True),
    Kind(r"vt:meta:heartbeat", "string", for_ever=True),
)

# Tokens and codes as they are handed out, JWTs, private keys, and the sandbox's API tokens.
_SECRET: Final = re.compile(
    r"vtr_|vtac_|vtwn_|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.|-----BEGIN [A-Z ]*PRIVATE KEY"
)


async def broken_rules(redis: Redis) -> list[str]:
    """Return a sentence for each key that breaks a rule; none in a store that is in order."""
    return [rule async for key in redis.scan_iter(count=1000) for rule in await _judge(redis, str(key))]


async def _judge(redis: Redis, key: str) -> list[str]:
    kind_of_value = cast(str, await redis.type(key))
    if kind_of_value == "none":
        # Expired since it was listed.
        return []
    kinds = [kind for kind in KINDS if re.fullmatch(kind.pattern, key) and kind.type == kind_of_value]
    if not kinds:
        return [f"{key}: no {kind_of_value} is kept under such a name"]
    texts = [key, *await _texts(redis, key, kind_of_value)]
    lasting = await redis.pttl(key) == -1
    if key.startswith("vt:client:"):
        allowed = await redis.hget(key, "registered_by") == "operator"
    else:
        allowed = kinds[0].for_ever
    return list(_sentences(key, texts, kept_too_long=lasting and not allowed))


def _sentences(key: str, texts: list[str], *, kept_too_long: bool) -> Iterator[str]:
    if kept_too_long:
        yield f"{key}: kept for ever"
    if any(_SECRET.search(text) for text in texts):
        yield f"{key}: a secret that can be read"


async def _texts(redis: Redis, key: str, kind: str) -> list[str]:
    if kind == "hash":
        fields = cast(dict[str, str], await redis.hgetall(key))
        return [text for pair in fields.items() for text in pair]
    if kind == "zset":
        return cast(list[str], await redis.zrange(key, 0, -1))
    if kind == "list":
        return cast(list[str], await redis.lrange(key, 0, -1))
    return [cast(str, await redis.get(key))]
