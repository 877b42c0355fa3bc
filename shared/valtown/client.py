"""Typed calls to Val Town's REST API (https://api.val.town/documentation), as one credential sees it."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx

from shared.valtown.endpoints.blobs import Blobs
from shared.valtown.endpoints.email import Email
from shared.valtown.endpoints.environment import Environment
from shared.valtown.endpoints.family import MAX_PAGE
from shared.valtown.endpoints.files import MAX_CONTENT_CHARACTERS, Files, FileType
from shared.valtown.endpoints.official import Official
from shared.valtown.endpoints.sqlite import Sqlite
from shared.valtown.endpoints.telemetry import Telemetry
from shared.valtown.endpoints.users import Users
from shared.valtown.endpoints.vals import Privacy, Vals
from shared.valtown.endpoints.visits import Visits
from shared.valtown.fair_share import Share
from shared.valtown.transport import DEFAULT_BOUNDS, Bounds, Transport

__all__ = ["MAX_CONTENT_CHARACTERS", "MAX_PAGE", "FileType", "Privacy", "ValTownClient"]


class ValTownClient(Users, Vals, Files, Environment, Blobs, Sqlite, Telemetry, Email, Visits, Official):
    """Every method raises a `ValTownError` when there is no result.

    Ids, names and keys become one encoded path segment each, file paths a query parameter: no argument
    changes which endpoint is called. The API's `next` links are never requested.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        token: str,
        *,
        bounds: Bounds = DEFAULT_BOUNDS,
        share: Share | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        official_url: str = "",
    ) -> None:
        """Take the shared connection pool, the configured base URL and the credential of one request.

        `share` is the caller's part of the pool; without one nothing is bounded. `official_url` is where
        Val Town's own MCP server is, if calls may be forwarded to it.
        """
        super().__init__(Transport(http, base_url, token, bounds=bounds, share=share, sleep=sleep))
        self.official_url = official_url

    def check_val(self, val_id: str) -> None:
        """Refuse a val that this client may not touch: none here, see `LimitedValTownClient`."""
