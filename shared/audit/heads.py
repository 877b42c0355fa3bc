"""How far each file of the audit log has come, in the store: so an end that is cut off is missed, or a file.

`vt:{audit}:heads`, a hash: name of the file → number and MAC of its last record. `vt:{audit}:order`: when
each was kept last. The oldest go when there are too many.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

from redis.asyncio import Redis

from shared.audit.files import Head
from shared.clock import Clock
from shared.redis.scripts import load_script

MOST_HEADS: Final = 4096

_HEADS: Final = "vt:{audit}:heads"
_ORDER: Final = "vt:{audit}:order"
_HEAD: Final = re.compile(r"(\d{1,15}) ([0-9a-f]{64})")


class HeadStore:
    """Keeps heads, and reads them."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        """Take the store's client and the clock."""
        self._redis = redis
        self._clock = clock
        self._keep = load_script(redis, "shared.redis.lua", "keep_audit_heads")

    async def keep(self, heads: Mapping[str, Head]) -> None:
        """Keep heads; one that is behind the one that is kept changes nothing. Atomic.

        Raises:
            StoreError: the store did not answer; they may have been kept.
        """
        pairs = [part for name, head in heads.items() for part in (name, head.seq, head.mac)]
        await self._keep(keys=[_HEADS, _ORDER], args=[MOST_HEADS, int(self._clock.now()), *pairs])

    async def read(self) -> dict[str, Head]:
        """Return every head by the name of its file.

        Raises:
            StoreError: the store did not answer.
        """
        found = cast(dict[str, str], await self._redis.hgetall(_HEADS))
        heads = {name: _HEAD.fullmatch(text) for name, text in found.items()}
        return {name: Head(int(match[1]), match[2]) for name, match in heads.items() if match is not None}

    async def forget(self, names: Iterable[str]) -> None:
        """Forget the heads of files that were removed on purpose.

        Raises:
            StoreError: the store did not answer; some may be forgotten.
        """
        gone = list(names)
        if gone:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hdel(_HEADS, *gone)
                pipeline.zrem(_ORDER, *gone)
                await pipeline.execute()
