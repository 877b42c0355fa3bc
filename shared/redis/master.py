"""Who the master is: asked of the sentinels when needed, when it is in doubt, and now and then.

Sentinels may differ for a moment, and for longer where some are cut off together with a master that they
still believe in. So most of them are heard, and the word of the latest failover (`config-epoch`) counts. A
master that was replaced answers on until somebody tells it, which can take ten seconds, and all that it is
sent is lost: that it answers is no sign of a good one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as StoreTimeoutError

from shared.logs import get_logger
from shared.redis.address import Node
from shared.redis.unsent import unsent

_State = Mapping[str, Any]
_log = get_logger("store:sentinel")


class Master:
    """Where the master is, as the sentinels last said. `era` counts the masters there were."""

    def __init__(self, sentinels: Sentinel, service: str) -> None:
        """Take whom to ask, and for which service."""
        self._sentinels = sentinels
        self._service = service
        self._known: Node | None = None
        self._doubted = True
        self._asking: asyncio.Task[Node] | None = None
        self._asked_of: set[asyncio.Task[_State | None]] = set()
        self.era = 0

    async def address(self) -> Node:
        """Return the master's host and port; the sentinels are asked when they are in doubt.

        Raises:
            StoreConnectionError: no sentinel answers, or none knows a master that is up; it is marked as
                unsent.
        """
        if self._known is not None and not self._doubted:
            return self._known
        return await self._asked_once()

    async def confirm(self) -> None:
        """Ask the sentinels; if they name another master, it is used from now on."""
        with suppress(StoreConnectionError):
            await self._asked_once()

    def doubt(self) -> None:
        """Ask the sentinels again before the next use: the master did not answer, or is none any more."""
        self._doubted = True

    def left(self, era: int) -> None:
        """Have the connections of an era replaced: its master is none now, whatever the sentinels say."""
        self.doubt()
        if era == self.era:
            self.era += 1

    async def aclose(self) -> None:
        """Close the connections to the sentinels."""
        # Also what a cancelled one has asked: a connection that came later would be closed by nobody.
        for task in (*self._asked_of, *([self._asking] if self._asking else [])):
            task.cancel()
            await asyncio.wait([task])
        await self._sentinels.aclose()

    async def _asked_once(self) -> Node:
        if self._asking is None:
            # However many wait for it, the sentinels are asked once.
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Node:
        answers = await self._answers()
        states = [state for state in answers if state is not None]
        latest = max((state["config-epoch"] for state in states), default=0)
        up = [state for state in states if state["config-epoch"] == latest and _is_up(state)]
        if not up:
            # Sentinels that say so are believed. Without any, the one that is known may well be there still;
            # a connection makes sure that it is a master.
            if self._known is None or answers:
                raise unsent(MasterNotFoundError(f"No master found for {self._service!r}"))
            return self._known
        found = (str(up[0]["ip"]), int(up[0]["port"]))
        self._doubted = False
        if found != self._known:
            if self._known is not None:
                _log.warning("another master", host=found[0], port=found[1])
            self._known = found
            self.era += 1
        return found

    async def _answers(self) -> Sequence[_State | None]:
        """Return what the sentinels say of the service, None for one that does not know it.

        When most of them have answered, the others are not waited for.
        """
        pending = {asyncio.create_task(self._state_at(sentinel)) for sentinel in self._sentinels.sentinels}
        self._asked_of |= pending
        for task in pending:
            task.add_done_callback(self._came)
        enough = len(pending) // 2 + 1
        answers: list[_State | None] = []
        while pending and len(answers) < enough:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                with suppress(StoreConnectionError, StoreTimeoutError):
                    answers.append(task.result())
        return answers

    async def _state_at(self, sentinel: Any) -> _State | None:
        try:
            state: _State = (await sentinel.sentinel_masters())[self._service]
        except (KeyError, ResponseError):
            return None
        return state

    def _came(self, task: "asyncio.Task[_State | None]") -> None:
        self._asked_of.discard(task)
        _take_result(task)

    def _asked(self, task: "asyncio.Task[Node]") -> None:
        self._asking = None
        _take_result(task)


def _is_up(state: _State) -> bool:
    return bool(state["is_master"] and not state["is_sdown"] and not state["is_odown"])


def _take_result(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        # Whoever waited has it; without anybody it would be reported as lost.
        task.exception()
