"""Requests to what vals serve on the web (links.endpoint of an http file): never with a credential."""

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from shared.valtown.endpoints.family import Family
from shared.valtown.errors import BadRequest
from shared.valtown.transport import RawBody

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

VAL_HOSTS: Final = (".val.run", ".web.val.run")
API_HOST: Final = "api.val.town"

# RFC 3986 section 3.3: what a path may hold as it is; "%" stays, so that an encoded path is sent as given.
_PATH_CHARACTERS: Final = "/%:@!$&'()*+,;=~"
_QUERY_CHARACTERS: Final = _PATH_CHARACTERS + "?"


@dataclass(frozen=True, slots=True)
class Visit:
    """A request below a val's web address: `path` begins with a slash, `query` has no question mark."""

    endpoint: str
    method: Method = "GET"
    path: str = "/"
    query: str = ""
    body: RawBody | None = None


@dataclass(frozen=True, slots=True)
class Visited:
    """What a val answered; `location` where it redirects to, which is not followed."""

    status: int
    content_type: str
    content: bytes
    truncated: bool
    location: str | None


class Visits(Family):
    """What vals answer on the web."""

    async def visit(self, visit: Visit, *, limit: int) -> Visited:
        """Return the answer, whatever its status, with at most `limit` bytes of its body.

        Raises:
            BadRequest: the address is not one that vals are served at.
        """
        self._check_host(visit.endpoint)
        path = quote(visit.path, safe=_PATH_CHARACTERS)
        if any(step in (".", "..") for step in path.lower().replace("%2e", ".").split("/")):
            raise BadRequest(None, "The path must not hold dot segments.")
        query = f"?{quote(visit.query, safe=_QUERY_CHARACTERS)}" if visit.query else ""
        url = f"{visit.endpoint.rstrip('/')}{path}{query}"
        answer = await self._transport.fetch(visit.method, url, visit.body, limit=limit)
        return Visited(
            answer.status,
            answer.headers.get("content-type", ""),
            answer.body[:limit],
            len(answer.body) > limit,
            answer.headers.get("location"),
        )

    def _check_host(self, endpoint: str) -> None:
        # Val Town itself says where a val is served, but an address within the network must not pass, whoever
        # says it. Where VAL_TOWN_API_URL is a stand-in, that serves vals too.
        given, api = urlsplit(endpoint), urlsplit(self._transport.base_url)
        name = given.hostname or ""
        public = given.scheme == "https" and given.port is None and name.endswith(VAL_HOSTS)
        stand_in = api.hostname != API_HOST and (given.scheme, given.netloc) == (api.scheme, api.netloc)
        if given.query or given.fragment or given.username or not (public or stand_in):
            raise BadRequest(None, "This is not an address that Val Town serves vals at.")
