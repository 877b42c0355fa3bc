"""The timeline of an attempt as the store has it, once everything that happened has arrived there."""

import re

import httpx
from redis.asyncio import Redis

from shared.flows.steps import Entry, Step, flow_id
from shared.flows.store import FlowStore
from tests.support.waiting import until

_SHOWN = re.compile(r'<code class="attempt">(flow-[0-9A-Z-]{14})</code>')


def id_on(page: httpx.Response) -> str:
    """Return the id of the attempt that a page shows."""
    (found,) = _SHOWN.findall(page.text)
    return str(found)


def id_behind(page: httpx.Response) -> str:
    """Return the id of the attempt that a page belongs to, whether it shows it or not."""
    return flow_id(page.url.params["txn"])


async def timeline(redis: Redis, flow: str, *steps: Step) -> list[Entry]:
    """Return the entries of an attempt; fail when they do not come to be these steps."""
    store, entries = FlowStore(redis), list[Entry]()

    async def complete() -> bool:
        entries[:] = await store.read(flow)
        return [entry.step for entry in entries] == list(steps)

    try:
        await until(complete)
    except AssertionError:
        told = [f"{entry.step} {entry.reason}".strip() for entry in entries]
        raise AssertionError(f"told is {told}") from None
    return entries


async def attempts(redis: Redis, number: int) -> list[str]:
    """Return the ids of all attempts, the newest first; fail when there are not this many."""
    store, found = FlowStore(redis), list[str]()

    async def complete() -> bool:
        found[:] = [flow for flow, _ in await store.every()]
        return len(found) == number

    await until(complete)
    return found
