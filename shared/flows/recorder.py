"""Brings steps to the store beside the requests: best effort, bounded, and never in their way."""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from shared.clock import Clock
from shared.flows.steps import Entry, Reason, Step
from shared.flows.store import Added, Addition, FlowStore
from shared.logs import get_logger
from shared.metrics import FLOW_STEPS_DROPPED
from shared.oauth.errors import TooManyRequests
from shared.rate_limit import Limit, RateLimiter
from shared.redis.client import StoreError

MOST_WAITING: Final = 1000
"""Steps that wait for the store; further ones are dropped."""

GATHER_SECONDS: Final = 0.05
"""How long steps are gathered: a busy replica brings many at once; one alone costs five times as much."""

BEGUN: Final = Limit("flow", burst=1000, per_hour=600)
"""One bucket for all: attempts of which there is a record. Anybody can begin one with a GET."""

SIGNED_IN: Final = Limit("flow-signed-in", burst=1000, per_hour=600)
"""One bucket for all: those that found no room, and in which somebody signed in after all."""

_BATCH: Final = 64
_LONGEST_REPLICA: Final = 64
_REASONS: Final = frozenset(Reason)

_log = get_logger("flows")


def replica_name(port: int | None = None) -> str:
    """Return what this process is called in timelines: its host's name with its port, or else its number."""
    return f"{socket.gethostname()}:{port or os.getpid()}"[-_LONGEST_REPLICA:]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A step that waits to be recorded: of an attempt, or of the one that a grant came from."""

    entry: Entry
    flow: str = ""
    grant_id: str = ""
    begins: Limit | None = None
    once: bool = False


class FlowRecorder:
    """Records steps of attempts. Noting one takes no time and cannot fail; it may be lost."""

    def __init__(self, store: FlowStore, limiter: RateLimiter, clock: Clock, *, replica: str) -> None:
        """Take where records are kept, what counts new ones, the clock, and the name of this replica."""
        self._store = store
        self._limiter = limiter
        self._clock = clock
        self._replica = replica
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._full_until: dict[str, float] = {}

    def note(
        self, flow: str, step: Step, reason: str = "", *, begins: Limit | None = None, **facts: str
    ) -> None:
        """Note a step of an attempt.

        Args:
            flow: the id; nothing is noted when it is empty.
            step: what happened.
            reason: why, one of `Reason`.
            begins: the bucket it takes from when there is no record yet; None: then it is not recorded.
            facts: see `steps.FACTS`; empty ones are left out.
        """
        if flow:
            self._put(_Waiting(self._entry(step, reason, facts), flow=flow, begins=begins))

    def note_of_grant(
        self, grant_id: str, step: Step, reason: str = "", *, once: bool = False, **facts: str
    ) -> None:
        """Note a step of the attempt that a grant came from, if it is remembered; `once`: the first time."""
        if grant_id:
            self._put(_Waiting(self._entry(step, reason, facts), grant_id=grant_id, once=once))

    async def run(self) -> None:
        """Bring steps to the store as they come, until cancelled."""
        while True:
            await self._wake.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._hurry.wait()
            await self.flush()

    async def flush(self) -> None:
        """Bring what waits to the store; what it does not take is lost."""
        self._wake.clear()
        self._hurry.clear()
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            try:
                await self._bring(batch)
            except (StoreError, OSError) as error:
                FLOW_STEPS_DROPPED.of("store").value += len(batch)
                _log.debug("steps not recorded", steps=len(batch), reason=type(error).__name__)

    def _entry(self, step: Step, reason: str, facts: dict[str, str]) -> Entry:
        known = reason if not reason or reason in _REASONS else Reason.OTHER
        return Entry(step, int(self._clock.now() * 1000), self._replica, known, facts)

    def _put(self, waiting: _Waiting) -> None:
        if len(self._waiting) >= MOST_WAITING:
            FLOW_STEPS_DROPPED.inc("queue")
            return
        self._waiting.append(waiting)
        self._wake.set()
        if waiting.begins is not None:
            # The next step may be taken at another replica, which finds no record before this is stored.
            self._hurry.set()

    async def _bring(self, batch: Sequence[_Waiting]) -> None:
        additions = await self._additions(batch)
        if not additions:
            return
        outcomes = await self._store.add([addition for addition, _ in additions])
        late: list[Addition] = []
        for (addition, begins), outcome in zip(additions, outcomes, strict=True):
            if outcome is Added.FULL:
                FLOW_STEPS_DROPPED.inc("full")
            elif outcome is Added.GONE and begins is not None and await self._admits(begins, 1):
                late.append(Addition(addition.flow, addition.entry, begins=True))
        if late:
            await self._store.add(late)

    async def _additions(self, batch: Sequence[_Waiting]) -> list[tuple[Addition, Limit | None]]:
        grant_ids = {each.grant_id for each in batch if not each.flow}
        flows = await self._store.of_grants(sorted(grant_ids)) if grant_ids else {}
        beginnings = sum(each.begins is BEGUN for each in batch)
        admitted = beginnings > 0 and await self._admits(BEGUN, beginnings)
        additions: list[tuple[Addition, Limit | None]] = []
        for each in batch:
            flow = each.flow or flows.get(each.grant_id, "")
            if not flow or (each.begins is BEGUN and not admitted):
                continue
            begins = each.begins is BEGUN
            later = None if begins else each.begins
            additions.append((Addition(flow, each.entry, begins=begins, once=each.once), later))
        return additions

    async def _admits(self, limit: Limit, beginnings: int) -> bool:
        """Return whether so many records may begin. While none may, the store is not asked."""
        if self._full_until.get(limit.name, 0.0) <= self._clock.now():
            try:
                await self._limiter.take(limit, cost=beginnings)
            except TooManyRequests as error:
                # A whole batch may have to wait longer than the next single one would.
                self._full_until[limit.name] = self._clock.now() + min(error.retry_after or 1, 5)
            else:
                return True
        FLOW_STEPS_DROPPED.of("too many").value += beginnings
        return False
