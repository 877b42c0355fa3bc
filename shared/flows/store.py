"""The records of attempts: `vt:flow:<id>`, a list of steps as JSON, gone a day after the first.

A grant names the attempt that made it. `vt:{<grant id>}:flow` does so until its code is redeemed: an approval
of which nothing comes is gone in minutes, and a client that brings its code late should still be told of.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, cast

from redis.asyncio import Redis

from shared.flows.steps import FACTS, FLOW_SECONDS, Entry, Step
from shared.logs import redact
from shared.redis.scripts import Argument, load_script

MOST_STEPS: Final = 40
"""Steps of one attempt."""

MOST_REFUSALS: Final = 30
"""Steps after which refusals are not recorded any more: there is room left for what comes of them."""

MOST_BYTES: Final = 1024
"""Of one step."""

_BATCH: Final = 500
_REFUSALS: Final = frozenset(
    {Step.SIGN_IN_REFUSED, Step.PAGE_REFUSED, Step.TOKEN_REFUSED, Step.REFRESH_REFUSED, Step.MCP_REFUSED}
)
_MEMBERS: Final = frozenset({"step", "at", "replica", "reason", "times", "last"})


class Added(StrEnum):
    """What became of a step."""

    ADDED = "added"
    COUNTED = "counted"
    """It repeats the last one, which counts it."""
    KNOWN = "known"
    """It was recorded before, and only the first time is wanted."""
    FULL = "full"
    GONE = "gone"
    """There is no such record, and this step does not begin one."""


@dataclass(frozen=True, slots=True)
class Addition:
    """A step that is to be recorded.

    Attributes:
        begins: whether it may begin the record.
        once: whether it is left out when the same was recorded before.
    """

    flow: str
    entry: Entry
    begins: bool = False
    once: bool = False


class FlowStore:
    """Adds steps to records, and reads them."""

    def __init__(self, redis: Redis) -> None:
        """Take the store's client."""
        self._redis = redis
        self._add = load_script(redis, "shared.redis.lua", "add_flow_step")

    async def add(self, additions: Sequence[Addition]) -> list[Added]:
        """Record steps, in this order, each atomically; return what became of each.

        Raises:
            StoreError: the store did not answer; some may have been added.
        """
        if len(additions) == 1:
            return [Added(await self._add(keys=_keys(additions[0]), args=_arguments(additions[0])))]
        calls = [(_keys(addition), _arguments(addition)) for addition in additions]
        return [Added(outcome) for outcome in await self._add.each(calls)]

    async def of_grants(self, grant_ids: Sequence[str]) -> dict[str, str]:
        """Return the attempts that grants came from, as far as they are remembered."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for grant_id in grant_ids:
                pipeline.hget(grant_key(grant_id), "flow")
                pipeline.get(flow_link(grant_id))
            found = await pipeline.execute()
        flows = (named or linked for named, linked in zip(found[::2], found[1::2], strict=True))
        return {grant_id: flow for grant_id, flow in zip(grant_ids, flows, strict=True) if flow}

    async def read(self, flow: str) -> list[Entry]:
        """Return the steps of an attempt in the order of their times; none: it is not remembered."""
        texts = cast(list[str], await self._redis.lrange(_key(flow), 0, -1))
        return _in_order(texts)

    async def every(self) -> list[tuple[str, list[Entry]]]:
        """Return every attempt that is remembered, the newest first."""
        keys = {str(key) async for key in self._redis.scan_iter(match=_key("*"), count=_BATCH)}
        found: list[tuple[str, list[Entry]]] = []
        ordered = sorted(keys)
        for start in range(0, len(ordered), _BATCH):
            found += await self._records(ordered[start : start + _BATCH])
        return sorted(found, key=lambda each: each[1][0].at, reverse=True)

    async def _records(self, keys: Sequence[str]) -> list[tuple[str, list[Entry]]]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.lrange(key, 0, -1)
            lists = await pipeline.execute()
        return [
            (key.removeprefix(_key("")), _in_order(texts))
            for key, texts in zip(keys, lists, strict=True)
            if texts
        ]


def grant_key(grant_id: str) -> str:
    """Return the key of a grant's record."""
    return f"vt:{{{grant_id}}}:grant"


def flow_link(grant_id: str) -> str:
    """Return the key that leads from a grant to the attempt it came from."""
    return f"vt:{{{grant_id}}}:flow"


def _key(flow: str) -> str:
    return f"vt:flow:{flow}"


def _keys(addition: Addition) -> list[str]:
    return [_key(addition.flow)]


def _arguments(addition: Addition) -> list[Argument]:
    most = MOST_REFUSALS if addition.entry.step in _REFUSALS else MOST_STEPS
    life = FLOW_SECONDS if addition.begins else 0
    return [_written(addition.entry), most, life, int(addition.once)]


def _written(entry: Entry) -> str:
    members: dict[str, str | int] = {"step": entry.step, "at": entry.at, "replica": entry.replica}
    if entry.reason:
        members["reason"] = entry.reason
    text = json.dumps({**members, **_bounded(entry.facts)}, ensure_ascii=False)
    return text if len(text.encode()) <= MOST_BYTES else json.dumps(members)


def _bounded(facts: Mapping[str, str]) -> dict[str, str]:
    # Clients choose their own names: what looks like a credential is taken out here too.
    return {
        name: str(redact(value))[: FACTS[name].longest]
        for name, value in facts.items()
        if value and name in FACTS
    }


def _in_order(texts: Sequence[str]) -> list[Entry]:
    # A step of another replica may have arrived later than one that happened after it.
    return sorted((_read(json.loads(text)) for text in texts), key=lambda entry: entry.at)


def _read(members: Mapping[str, str | int]) -> Entry:
    return Entry(
        step=Step(str(members["step"])),
        at=int(members["at"]),
        replica=str(members["replica"]),
        reason=str(members.get("reason", "")),
        facts={name: str(value) for name, value in members.items() if name not in _MEMBERS},
        times=int(members.get("times", 1)),
        last=int(members.get("last", 0)),
    )
