"""Every URL the stand-in hands out, and the JSON that carries them (schemas of Val Town's OpenAPI).

Also the links that lead to val.town, esm.town and val.run in reality stay on this origin: an account of the
same name may exist there, and nothing tried here should reach it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import Depends, Request

from mcp_server.sandbox.accounts import Account
from mcp_server.sandbox.branches import Branch
from mcp_server.sandbox.errors import BadRequestError
from mcp_server.sandbox.tree import Entry
from mcp_server.sandbox.vals import Val

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")

Json = dict[str, object]


def date_time(milliseconds: int) -> str:
    """Return milliseconds since 1970 as an RFC 3339 date-time, in the form JavaScript prints."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that was asked for."""

    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class Links:
    """Builds absolute URLs on `base`, an origin without a slash at its end, for one request."""

    base: str
    path: str
    query: tuple[tuple[str, str], ...]

    def user(self, account: Account) -> Json:
        return {
            "id": account.id,
            "type": account.type,
            "bio": account.bio,
            "username": account.username,
            "profileImageUrl": None,
            "url": f"{self.base}/u/{account.username}",
            "links": {"self": f"{self.base}/v1/users/{account.id}"},
        }

    def val(self, val: Val) -> Json:
        return {
            "name": val.name,
            "id": val.id,
            "createdAt": date_time(val.created_at),
            "privacy": val.privacy,
            "author": {"type": val.owner.type, "id": val.owner.id, "username": val.owner.username},
            "imageUrl": None,
            "description": val.description,
            "links": {"self": f"{self.base}/v2/vals/{val.id}", "html": self._html(val)},
        }

    def branch(self, val: Val, branch: Branch) -> Json:
        return {
            "name": branch.name,
            "id": branch.id,
            "version": branch.version,
            "createdAt": date_time(branch.created_at),
            "updatedAt": date_time(branch.updated_at),
            "forkedBranchId": branch.forked_from,
            "links": {
                "self": f"{self.base}/v2/vals/{val.id}/branches/{branch.id}",
                "html": f"{self._html(val)}/branch/{quote(branch.name)}",
            },
        }

    def file(self, val: Val, branch: Branch, entry: Entry) -> Json:
        path = quote(entry.path)
        owner = val.owner.username
        links = {
            "self": f"{self.base}/v2/files/{entry.id}",
            "html": f"{self._html(val)}/branch/{quote(branch.name)}/code/{path}",
            "module": f"{self.base}/v/{owner}/{val.name}@{entry.version}-{quote(branch.name)}/{path}",
        }
        if entry.type == "http":
            links["endpoint"] = f"{self.base}/run/{branch.id}/{entry.id}"
        if entry.type == "email":
            links["email"] = f"{owner}.{val.name}.{entry.id[:8]}@sandbox.example"
        return {
            "name": entry.name,
            "id": entry.id,
            "path": entry.path,
            "version": entry.version,
            "updatedAt": date_time(entry.updated_at),
            "type": entry.type,
            "links": links,
        }

    def numbered_page(self, items: list[Json], page: Page, total: int) -> Json:
        """Return a page of a list that is walked by offset, of `total` items in all."""
        links = {"self": self._here(offset=page.offset, limit=page.limit)}
        if page.offset > 0:
            links["prev"] = self._here(offset=max(0, page.offset - page.limit), limit=page.limit)
        if page.offset + page.limit < total:
            links["next"] = self._here(offset=page.offset + page.limit, limit=page.limit)
        return {"data": items, "links": links}

    def dated_page(self, items: list[Json], limit: int, **next_page: int | None) -> Json:
        """Return a page of a list that is walked by date.

        `next_page` names the parameter that asks for what follows, in milliseconds since 1970; None at the
        end.
        """
        links = {"self": self._here(limit=limit)}
        for name, moment in next_page.items():
            if moment is not None:
                links["next"] = self._here(**{name: date_time(moment)}, limit=limit)
        return {"data": items, "links": links}

    def _html(self, val: Val) -> str:
        return f"{self.base}/x/{val.owner.username}/{val.name}"

    def _here(self, **changed: object) -> str:
        kept = [(name, value) for name, value in self.query if name not in changed]
        return f"{self.base}{quote(self.path)}?{urlencode([*kept, *changed.items()])}"


async def links_of(request: Request) -> Links:
    """Return the links for a request: on the configured base URL, else on the host it was sent to.

    Raises:
        BadRequestError: there is no base URL and the Host header is no host.
    """
    base: str | None = request.app.state.base_url
    return Links(
        base=base.rstrip("/") if base is not None else f"{request.scope['scheme']}://{_host(request)}",
        path=request.scope["path"],
        query=tuple(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)),
    )


def _host(request: Request) -> str:
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise BadRequestError("Invalid Host header")
    return host


LinksDep = Annotated[Links, Depends(links_of)]
