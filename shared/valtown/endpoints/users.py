"""Users and organizations (GET /v1/me, /v1/alias, /v1/users, /v2/orgs)."""

from typing import Final

from pydantic import TypeAdapter

from shared.valtown.endpoints.family import MAX_PAGE, Family
from shared.valtown.models import Membership, Org, Page, PageBody, User
from shared.valtown.transport import Call

_USER: Final = TypeAdapter(User)
_ORGS: Final = TypeAdapter(PageBody[Org])
_MEMBERSHIPS: Final = TypeAdapter(list[Membership])


class Users(Family):
    """Who there is."""

    async def me(self) -> User:
        """Return the account the credential belongs to, with `tier` and `email`."""
        return await self._get(_USER, Call("GET", "/v1/me"))

    async def user_by_name(self, username: str) -> User:
        """Return a user or organization by its handle, without the leading @."""
        return await self._get(_USER, Call("GET", "/v1/alias/{username}", {"username": username}))

    async def user(self, user_id: str) -> User:
        """Return a user or organization by id."""
        return await self._get(_USER, Call("GET", "/v1/users/{user_id}", {"user_id": user_id}))

    async def orgs(self, *, offset: int = 0, limit: int = MAX_PAGE) -> Page[Org]:
        """Return one page of the organizations the account belongs to."""
        return await self._page(_ORGS, Call("GET", "/v2/orgs", query={"offset": offset, "limit": limit}))

    async def memberships(self, org_id: str) -> list[Membership]:
        """Return all members of an organization."""
        call = Call("GET", "/v2/orgs/{org_id}/memberships", {"org_id": org_id})
        return await self._get(_MEMBERSHIPS, call)
