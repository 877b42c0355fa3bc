"""Walking Val Town's lists: several pages in one call, within bounds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic

from mcp_server.tools.context import ToolContext
from shared.valtown.client import MAX_PAGE
from shared.valtown.models import Page, Record

MOST_SCANNED: Final = 1000
"""Records one call looks at; also the most files a val may have."""


@dataclass(frozen=True, slots=True)
class Collected(Generic[Record]):
    """What was found, and where to go on (None: that was all)."""

    items: tuple[Record, ...]
    next_offset: int | None


async def collect(
    context: ToolContext,
    fetch: Callable[[int, int], Awaitable[Page[Record]]],
    matches: Callable[[Record], bool],
    *,
    offset: int,
    limit: int,
    page_size: int = MAX_PAGE,
) -> Collected[Record]:
    """Return up to `limit` matching records from position `offset` of the whole list on.

    Args:
        context: told of the progress between pages.
        fetch: one page, by offset and size.
        matches: which records count.
        offset: position in the unfiltered list, from 0.
        limit: the most records to return.
        page_size: records asked for at once.
    """
    found: list[Record] = []
    position = offset
    while True:
        page = await fetch(position, page_size)
        for place, record in enumerate(page.items, start=position + 1):
            if matches(record):
                found.append(record)
            if len(found) == limit:
                is_last = place == position + len(page.items) and not page.has_more
                return Collected(tuple(found), None if is_last else place)
        position += len(page.items)
        if not page.has_more or not page.items:
            return Collected(tuple(found), None)
        if position - offset >= MOST_SCANNED:
            await context.log("notice", f"Stopped after {position - offset} looked at; there are more.")
            return Collected(tuple(found), position)
        await context.report_progress(position - offset, message=f"{position} looked at")
