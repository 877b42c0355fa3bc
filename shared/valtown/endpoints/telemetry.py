"""Logs and traces of vals (/v1/telemetry)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import TypeAdapter

from shared.valtown.endpoints.family import Family
from shared.valtown.models import Log, Page, PageBody, Trace
from shared.valtown.target import Query
from shared.valtown.transport import Call

Direction = Literal["asc", "desc"]

MAX_BRANCH_IDS: Final = 20
MAX_TRACE_IDS: Final = 100

_TRACES: Final = TypeAdapter(PageBody[Trace])
_LOGS: Final = TypeAdapter(PageBody[Log])


@dataclass(frozen=True, slots=True)
class Window:
    """Which logs or traces: of a file, of branches, between two date-times; newest first unless `asc`."""

    file_id: str | None = None
    branch_ids: Sequence[str] = ()
    start: str | None = None
    end: str | None = None
    direction: Direction = "desc"
    limit: int = 100

    def query(self) -> dict[str, str | int | Sequence[str] | None]:
        """Return it as the API's query."""
        return {
            "file_id": self.file_id,
            "branch_ids": self.branch_ids,
            "start": self.start,
            "end": self.end,
            "direction": self.direction,
            "limit": self.limit,
        }


class Telemetry(Family):
    """What vals did. The next page's `start` and `end` are in `next_query`."""

    async def traces(self, window: Window, *, finished: bool = False) -> Page[Trace]:
        """Return one page of traces; with `finished` only those that ended, by their end."""
        query: Query = {**window.query(), "order_by": "end_time" if finished else None}
        return await self._linked_page(
            _TRACES, Call("GET", "/v1/telemetry/traces", query=query), "start", "end"
        )

    async def logs(self, window: Window, *, trace_ids: Sequence[str] = ()) -> Page[Log]:
        """Return one page of log lines, of the given traces when there are any."""
        query: Query = {**window.query(), "trace_ids": trace_ids}
        return await self._linked_page(_LOGS, Call("GET", "/v1/telemetry/logs", query=query), "start", "end")
