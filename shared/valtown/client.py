"""Typed calls to Val Town's REST API: users, vals, branches, files (https://api.val.town/documentation)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from shared.valtown.errors import Unavailable
from shared.valtown.models import Branch, File, Page, PageBody, Record, User, Val
from shared.valtown.transport import DEFAULT_BOUNDS, Answer, Bounds, Call, Transport

Privacy = Literal["public", "unlisted", "private"]
FileType = Literal["file", "interval", "http", "email", "script"]

MAX_PAGE: Final = 100
"""The most that one page of a list may hold."""

MAX_CONTENT_CHARACTERS: Final = 80_000
"""The longest file content the API takes."""

_USER: Final = TypeAdapter(User)
_VAL: Final = TypeAdapter(Val)
_BRANCH: Final = TypeAdapter(Branch)
_FILE: Final = TypeAdapter(File)
_VALS: Final = TypeAdapter(PageBody[Val])
_BRANCHES: Final = TypeAdapter(PageBody[Branch])
_FILES: Final = TypeAdapter(PageBody[File])

_Parsed = TypeVar("_Parsed")


class ValTownClient:
    """Val Town as one credential sees it; every method raises a `ValTownError` when there is no result.

    Ids and names become one encoded path segment each, file paths a query parameter: no argument changes
    which endpoint is called. Lists are paged by offset; the API's `next` links are never requested.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        token: str,
        *,
        bounds: Bounds = DEFAULT_BOUNDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take the shared connection pool, the configured base URL and the credential of one request."""
        self._transport = Transport(http, base_url, token, bounds, sleep)

    async def me(self) -> User:
        """Return the account the credential belongs to, with `tier` and `email`."""
        return await self._get(_USER, Call("GET", "/v1/me"))

    async def user_by_name(self, username: str) -> User:
        """Return a user or organization by its handle, without the leading @."""
        return await self._get(_USER, Call("GET", "/v1/alias/{username}", {"username": username}))

    async def my_vals(self, *, offset: int = 0, limit: int = MAX_PAGE) -> Page[Val]:
        """Return one page of the account's own vals."""
        return await self._page(_VALS, Call("GET", "/v2/me/vals", query={"offset": offset, "limit": limit}))

    async def val(self, val_id: str) -> Val:
        """Return a val by id."""
        return await self._get(_VAL, Call("GET", "/v2/vals/{val_id}", {"val_id": val_id}))

    async def val_by_name(self, owner: str, name: str) -> Val:
        """Return a val by its owner's handle and its name."""
        parameters = {"owner": owner, "name": name}
        return await self._get(_VAL, Call("GET", "/v2/alias/vals/{owner}/{name}", parameters))

    async def create_val(self, name: str, privacy: Privacy, description: str | None = None) -> Val:
        """Create a val and return it; raises Conflict when the account has one of that name."""
        body: dict[str, object] = {"name": name, "privacy": privacy}
        if description is not None:
            body["description"] = description
        return await self._get(_VAL, Call("POST", "/v2/vals", body=body))

    async def delete_val(self, val_id: str) -> None:
        """Delete a val with everything in it."""
        await self._transport.exchange(Call("DELETE", "/v2/vals/{val_id}", {"val_id": val_id}))

    async def branches(self, val_id: str, *, offset: int = 0, limit: int = MAX_PAGE) -> Page[Branch]:
        """Return one page of a val's branches."""
        query = {"offset": offset, "limit": limit}
        return await self._page(
            _BRANCHES, Call("GET", "/v2/vals/{val_id}/branches", {"val_id": val_id}, query)
        )

    async def branch(self, val_id: str, branch_id: str) -> Branch:
        """Return a branch by id."""
        parameters = {"val_id": val_id, "branch_id": branch_id}
        return await self._get(_BRANCH, Call("GET", "/v2/vals/{val_id}/branches/{branch_id}", parameters))

    async def files(
        self,
        val_id: str,
        path: str = "",
        *,
        branch_id: str | None = None,
        version: int | None = None,
        recursive: bool = False,
        offset: int = 0,
        limit: int = MAX_PAGE,
    ) -> Page[File]:
        """Return one page of what is at a path: entries of a directory ("": the root), or the file itself."""
        query = {
            "path": path,
            "branch_id": branch_id,
            "version": version,
            "recursive": recursive,
            "offset": offset,
            "limit": limit,
        }
        return await self._page(_FILES, Call("GET", "/v2/vals/{val_id}/files", {"val_id": val_id}, query))

    async def file_content(
        self, val_id: str, path: str, *, branch_id: str | None = None, version: int | None = None
    ) -> bytes:
        """Return a file's content, of a version of its branch when one is given."""
        query = {"path": path, "branch_id": branch_id, "version": version}
        call = Call("GET", "/v2/vals/{val_id}/files/content", {"val_id": val_id}, query)
        return (await self._transport.exchange(call)).body

    async def create_file(
        self, val_id: str, path: str, content: str, file_type: FileType, *, branch_id: str | None = None
    ) -> File:
        """Create a file; raises Conflict when something is at the path."""
        return await self._post_file(val_id, path, branch_id, {"type": file_type, "content": content})

    async def create_directory(self, val_id: str, path: str, *, branch_id: str | None = None) -> File:
        """Create a directory; raises Conflict when something is at the path."""
        return await self._post_file(val_id, path, branch_id, {"type": "directory"})

    async def update_file(
        self, val_id: str, path: str, content: str, *, branch_id: str | None = None
    ) -> File:
        """Replace a file's content; whoever writes last wins, the API has no condition for writes."""
        query = {"path": path, "branch_id": branch_id}
        call = Call("PUT", "/v2/vals/{val_id}/files", {"val_id": val_id}, query, {"content": content})
        return await self._get(_FILE, call)

    async def delete_file(
        self, val_id: str, path: str, *, branch_id: str | None = None, recursive: bool = False
    ) -> None:
        """Delete a file, or with `recursive` a directory and everything below it."""
        query = {"path": path, "branch_id": branch_id, "recursive": recursive}
        await self._transport.exchange(Call("DELETE", "/v2/vals/{val_id}/files", {"val_id": val_id}, query))

    async def _post_file(
        self, val_id: str, path: str, branch_id: str | None, body: dict[str, object]
    ) -> File:
        query = {"path": path, "branch_id": branch_id}
        call = Call("POST", "/v2/vals/{val_id}/files", {"val_id": val_id}, query, body)
        return await self._get(_FILE, call)

    async def _get(self, adapter: TypeAdapter[_Parsed], call: Call) -> _Parsed:
        return _parse(adapter, await self._transport.exchange(call))

    async def _page(self, adapter: TypeAdapter[PageBody[Record]], call: Call) -> Page[Record]:
        body = await self._get(adapter, call)
        return Page(tuple(body.data), body.links.next is not None)


def _parse(adapter: TypeAdapter[_Parsed], answer: Answer) -> _Parsed:
    try:
        return adapter.validate_json(answer.body)
    except ValidationError:
        # Not chained: the validation error quotes the answer.
        raise Unavailable(answer.status, "Val Town's answer is not what its API promises.") from None
