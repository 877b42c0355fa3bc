"""Val Town as a grant sees it that is limited to chosen vals.

Everything goes through one list of what may be called at all, so that a tool which forgets the limit is
refused and does not reach another val. What belongs to the account and to no val (profile, organizations,
blobs, database, email) is the business of scopes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import httpx

from shared.valtown.client import ValTownClient
from shared.valtown.endpoints.family import MAX_PAGE
from shared.valtown.endpoints.official import OfficialResult
from shared.valtown.endpoints.telemetry import MAX_BRANCH_IDS, Window
from shared.valtown.endpoints.vals import Privacy
from shared.valtown.errors import NotFound, OutsideLimit
from shared.valtown.fair_share import Share
from shared.valtown.models import Log, Page, Trace, Val
from shared.valtown.transport import DEFAULT_BOUNDS, Answer, Bounds, Call, Transport

_OF_THE_ACCOUNT: Final = frozenset(
    {
        "/v1/me",
        "/v1/alias/{username}",
        "/v1/users/{user_id}",
        "/v2/orgs",
        "/v2/orgs/{org_id}/memberships",
        "/v1/blob",
        "/v1/blob/{key}",
        "/v1/sqlite/execute",
        "/v1/sqlite/batch",
        "/v1/email",
    }
)
_CHECKED_HERE: Final = frozenset(
    {"/v2/alias/vals/{owner}/{name}", "/v1/telemetry/traces", "/v1/telemetry/logs"}
)
"""What names no val by id: the methods of `LimitedValTownClient` see to it."""

_READ_AT_ONCE: Final = 5

_Result = TypeVar("_Result")


class _LimitedTransport(Transport):
    """Sends only what stays within the limit."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        token: str,
        vals: frozenset[str],
        *,
        bounds: Bounds,
        share: Share | None,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        super().__init__(http, base_url, token, bounds=bounds, share=share, sleep=sleep)
        self._vals = vals

    async def exchange(self, call: Call) -> Answer:
        """Return the answer to a call, unless it leaves the limit.

        Raises:
            OutsideLimit: it does; nothing was sent.
            ValTownError: as `Transport.exchange`.
        """
        if call.path == "/v2/vals" and call.method == "POST":
            raise OutsideLimit("This connection is limited to chosen vals, so it cannot create others.")
        if not (call.path in _OF_THE_ACCOUNT or call.path in _CHECKED_HERE or self._is_of_a_val(call)):
            raise OutsideLimit("This connection is limited to chosen vals, and this goes beyond them.")
        return await super().exchange(call)

    def _is_of_a_val(self, call: Call) -> bool:
        return call.path.startswith("/v2/vals/{val_id}") and call.parameters["val_id"] in self._vals


class LimitedValTownClient(ValTownClient):
    """A `ValTownClient` for which there are no vals but those it is limited to."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        token: str,
        *,
        vals: frozenset[str],
        bounds: Bounds = DEFAULT_BOUNDS,
        share: Share | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        official_url: str = "",
    ) -> None:
        """Take what `ValTownClient` takes, and the ids of the vals."""
        super().__init__(
            http, base_url, token, bounds=bounds, share=share, sleep=sleep, official_url=official_url
        )
        self._transport = _LimitedTransport(
            http, base_url, token, vals, bounds=bounds, share=share, sleep=sleep
        )
        self._vals = vals
        self._branch_ids: frozenset[str] | None = None

    def check_val(self, val_id: str) -> None:
        """Refuse a val that is not among the chosen ones.

        Raises:
            OutsideLimit: it is another.
        """
        if val_id not in self._vals:
            raise OutsideLimit(
                "This connection is limited to chosen vals, and this is none of them (list_my_vals)."
            )

    async def my_vals(self, *, offset: int = 0, limit: int = MAX_PAGE) -> Page[Val]:
        """Return one page of the chosen vals, whoever owns them."""
        found = await self._chosen()
        return Page(tuple(found[offset : offset + limit]), len(found) > offset + limit)

    async def all_vals(
        self,
        *,
        privacy: Privacy | None = None,
        user_id: str | None = None,
        cursor: str | None = None,
        limit: int = MAX_PAGE,
    ) -> Page[Val]:
        """Return the chosen vals that match, at most `limit`; there is no second page."""
        found = [
            val
            for val in (await self._chosen() if cursor is None else [])
            if privacy in (None, val.privacy) and user_id in (None, val.author.id)
        ]
        return Page(tuple(found[:limit]), has_more=False)

    async def val(self, val_id: str) -> Val:
        """Return a chosen val by id."""
        self.check_val(val_id)
        return await super().val(val_id)

    async def val_by_name(self, owner: str, name: str) -> Val:
        """Return a chosen val by name; whether there is another of that name is not told."""
        outside = OutsideLimit(
            "This connection is limited to chosen vals, and none of them has this name (list_my_vals)."
        )
        try:
            found = await super().val_by_name(owner, name)
        except NotFound:
            raise outside from None
        if found.id not in self._vals:
            raise outside
        return found

    async def traces(self, window: Window, *, finished: bool = False) -> Page[Trace]:
        """Return one page of traces of the chosen vals."""
        return await super().traces(await self._within(window), finished=finished)

    async def logs(self, window: Window, *, trace_ids: Sequence[str] = ()) -> Page[Log]:
        """Return one page of log lines of the chosen vals."""
        return await super().logs(await self._within(window), trace_ids=trace_ids)

    async def call_official(
        self, url: str, tool: str, val: Val, arguments: Mapping[str, object]
    ) -> OfficialResult:
        """Return what a tool of Val Town's own server says about a chosen val."""
        self.check_val(val.id)
        return await super().call_official(url, tool, val, arguments)

    async def _chosen(self) -> list[Val]:
        found = await self._each(self._val_if_there)
        return sorted((val for val in found if val), key=lambda val: (val.created_at, val.id), reverse=True)

    async def _val_if_there(self, val_id: str) -> Val | None:
        try:
            return await super().val(val_id)
        except NotFound:
            return None

    async def _within(self, window: Window) -> Window:
        """Return the window with the branches of the chosen vals, so that no other's runs are in it."""
        if self._branch_ids is None:
            pages = await self._each(self._branches_of)
            self._branch_ids = frozenset(branch_id for page in pages for branch_id in page)
        if not set(window.branch_ids) <= self._branch_ids:
            raise OutsideLimit("This connection is limited to chosen vals, and this branch is of another.")
        if window.branch_ids:
            return window
        if not self._branch_ids:
            raise OutsideLimit("None of the vals that this connection is limited to is there any more.")
        if len(self._branch_ids) > MAX_BRANCH_IDS:
            raise OutsideLimit(
                f"The chosen vals have more than {MAX_BRANCH_IDS} branches together: name a val or branch."
            )
        return replace(window, branch_ids=sorted(self._branch_ids))

    async def _branches_of(self, val_id: str) -> list[str]:
        try:
            return [branch.id for branch in (await super().branches(val_id)).items]
        except NotFound:
            return []

    async def _each(self, ask: Callable[[str], Awaitable[_Result]]) -> list[_Result]:
        turns = asyncio.Semaphore(_READ_AT_ONCE)

        async def one(val_id: str) -> _Result:
            async with turns:
                return await ask(val_id)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(val_id)) for val_id in sorted(self._vals)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]
