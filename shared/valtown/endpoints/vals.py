"""Vals and their branches (/v2/vals, /v2/me/vals, /v2/alias/vals, /v2/vals/{id}/branches)."""

from typing import Final, Literal

from pydantic import TypeAdapter

from shared.valtown.endpoints.family import MAX_PAGE, Family
from shared.valtown.models import Branch, Page, PageBody, Val
from shared.valtown.transport import Call

Privacy = Literal["public", "unlisted", "private"]

_VAL: Final = TypeAdapter(Val)
_VALS: Final = TypeAdapter(PageBody[Val])
_BRANCH: Final = TypeAdapter(Branch)
_BRANCHES: Final = TypeAdapter(PageBody[Branch])


class Vals(Family):
    """Vals and branches, without what is in them."""

    async def my_vals(self, *, offset: int = 0, limit: int = MAX_PAGE) -> Page[Val]:
        """Return one page of the account's own vals."""
        return await self._page(_VALS, Call("GET", "/v2/me/vals", query={"offset": offset, "limit": limit}))

    async def all_vals(
        self,
        *,
        privacy: Privacy | None = None,
        user_id: str | None = None,
        cursor: str | None = None,
        limit: int = MAX_PAGE,
    ) -> Page[Val]:
        """Return one page of all public vals and the account's own, newest first.

        The next page's `cursor`, a date-time, is in `next_query`.
        """
        query = {"privacy": privacy, "user_id": user_id, "cursor": cursor, "limit": limit}
        return await self._linked_page(_VALS, Call("GET", "/v2/vals", query=query), "cursor")

    async def val(self, val_id: str) -> Val:
        """Return a val by id."""
        return await self._get(_VAL, Call("GET", "/v2/vals/{val_id}", {"val_id": val_id}))

    async def val_by_name(self, owner: str, name: str) -> Val:
        """Return a val by its owner's handle and its name."""
        parameters = {"owner": owner, "name": name}
        return await self._get(_VAL, Call("GET", "/v2/alias/vals/{owner}/{name}", parameters))

    async def create_val(
        self, name: str, privacy: Privacy, description: str | None = None, *, org_id: str | None = None
    ) -> Val:
        """Create a val and return it; raises Conflict when the account has one of that name."""
        members = {"name": name, "privacy": privacy, "description": description, "orgId": org_id}
        body = {name: value for name, value in members.items() if value is not None}
        return await self._get(_VAL, Call("POST", "/v2/vals", body=body))

    async def delete_val(self, val_id: str) -> None:
        """Delete a val with everything in it."""
        await self._send(Call("DELETE", "/v2/vals/{val_id}", {"val_id": val_id}))

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

    async def create_branch(self, val_id: str, name: str, *, source_id: str | None = None) -> Branch:
        """Fork a branch, main unless another is named; raises Conflict when the name is taken."""
        body = {"name": name} if source_id is None else {"name": name, "branchId": source_id}
        call = Call("POST", "/v2/vals/{val_id}/branches", {"val_id": val_id}, body=body)
        return await self._get(_BRANCH, call)

    async def delete_branch(self, val_id: str, branch_id: str) -> None:
        """Delete a branch with everything on it."""
        parameters = {"val_id": val_id, "branch_id": branch_id}
        await self._send(Call("DELETE", "/v2/vals/{val_id}/branches/{branch_id}", parameters))
