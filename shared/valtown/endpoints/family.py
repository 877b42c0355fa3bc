"""What every family of endpoints shares: one transport, answers checked against a model, pages."""

from typing import Final, TypeVar
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError

from shared.valtown.errors import Unavailable
from shared.valtown.models import Page, PageBody, Record
from shared.valtown.transport import Answer, Call, Transport

MAX_PAGE: Final = 100
"""The most that one page of a list may hold."""

_Parsed = TypeVar("_Parsed")


class Family:
    """Calls with one credential; every method raises a `ValTownError` when there is no result."""

    def __init__(self, transport: Transport) -> None:
        """Take the way to Val Town."""
        self._transport = transport

    async def _send(self, call: Call) -> Answer:
        return await self._transport.exchange(call)

    async def _get(self, adapter: TypeAdapter[_Parsed], call: Call) -> _Parsed:
        answer = await self._transport.exchange(call)
        try:
            return adapter.validate_json(answer.body)
        except ValidationError:
            # Not chained: the validation error quotes the answer.
            raise Unavailable(answer.status, "Val Town's answer is not what its API promises.") from None

    async def _page(self, adapter: TypeAdapter[PageBody[Record]], call: Call) -> Page[Record]:
        """Return a page of a list that is walked by offset: its links are never looked at."""
        body = await self._get(adapter, call)
        return Page(tuple(body.data), body.links.next is not None)

    async def _linked_page(
        self, adapter: TypeAdapter[PageBody[Record]], call: Call, *names: str
    ) -> Page[Record]:
        """Return a page of a list whose next page only its link names; `names` are taken out of that link.

        The link itself is never requested, wherever it leads: the next call builds its own URL, on the
        configured origin, from these parameters.
        """
        body = await self._get(adapter, call)
        link = body.links.next or ""
        query = {name: value for name, value in parse_qsl(link.partition("?")[2]) if name in names}
        return Page(tuple(body.data), body.links.next is not None, query)
