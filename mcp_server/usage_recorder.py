"""Counts what grants are used for, in memory, and brings it to the store now and then."""

import asyncio
from collections.abc import Iterable
from typing import Final

from mcp_server.auth.principal import Principal
from mcp_server.metrics import USAGE_DROPPED
from mcp_server.protocol.reach import Use
from shared.logs import get_logger
from shared.redis.client import StoreError
from shared.usage import Calls, UsageStore

FLUSH_SECONDS: Final = 10.0
MAX_GRANTS: Final = 10_000
"""Grants whose calls wait in memory; calls of further ones are not counted until these are brought away."""

_log = get_logger("mcp:usage")


class UsageRecorder:
    """Counts calls without waiting for anything; a process that is killed loses FLUSH_SECONDS of them."""

    def __init__(self, store: UsageStore) -> None:
        """Take where the counts go."""
        self._store = store
        self._waiting: dict[str, Calls] = {}

    @property
    def waiting(self) -> int:
        """How many grants have calls that the store does not have yet."""
        return len(self._waiting)

    def count(self, principal: Principal, uses: Iterable[Use]) -> None:
        """Count what one request of a caller is about."""
        if principal.grant_id is None:
            return
        for use in uses:
            calls = self._calls_of(principal.grant_id)
            if calls is None:
                USAGE_DROPPED.inc()
            else:
                tool = use.offered.name if use.method == "tools/call" else None
                calls.add(tool=tool, scope=use.offered.scope)

    async def run(self) -> None:
        """Bring the counts to the store every FLUSH_SECONDS, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Bring what was counted to the store; what it does not take waits for the next time."""
        for grant_id in list(self._waiting):
            calls = self._waiting.pop(grant_id)
            try:
                await self._store.add(grant_id, calls)
            except (StoreError, OSError) as error:
                # It may have been added after all: twice is better than never.
                self._waiting.setdefault(grant_id, Calls()).merge(calls)
                _log.warning("usage not recorded yet", reason=type(error).__name__, grants=len(self._waiting))
                return

    def _calls_of(self, grant_id: str) -> Calls | None:
        calls = self._waiting.get(grant_id)
        if calls is None and len(self._waiting) < MAX_GRANTS:
            calls = self._waiting[grant_id] = Calls()
        return calls
