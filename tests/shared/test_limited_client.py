"""The client of a limited grant by itself: no method of it sends anything that leaves the limit."""

import json

import httpx
import pytest

from shared.valtown.errors import OutsideLimit, ValTownError
from shared.valtown.limited import LimitedValTownClient
from shared.valtown.models import Val
from tests.support.valtown_calls import every_call

pytestmark = pytest.mark.anyio

CHOSEN = "99999999-2222-4333-8444-555555555555"
CALLED = "11111111-2222-4333-8444-555555555555"
"""The val that the calls are about."""

OF_THE_ACCOUNT = ("/v1/me", "/v1/alias/", "/v1/users/", "/v2/orgs", "/v1/blob", "/v1/sqlite/", "/v1/email")


class ValTown(httpx.AsyncBaseTransport):
    """Says that every val there is is the one that was asked for, but a name's is the one not chosen."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path
        val_id = path.split("/")[3] if path.startswith("/v2/vals/") else CALLED
        val = {
            "id": val_id,
            "name": "a",
            "privacy": "public",
            "createdAt": "2026-01-01T00:00:00Z",
            "author": {"type": "user", "id": CHOSEN, "username": "ada"},
            "links": {"html": "https://www.val.town/x/ada/a"},
        }
        branch = {
            "id": CHOSEN,
            "name": "main",
            "version": 1,
            "createdAt": "2026-01-01T00:00:00Z",
            "updatedAt": "2026-01-01T00:00:00Z",
            "links": {"html": "https://www.val.town/x/ada/a"},
        }
        answer = {"data": [branch], "links": {}} if path.endswith("/branches") else val
        content = json.dumps(answer).encode()
        return httpx.Response(200, stream=httpx.ByteStream(content))


async def test_no_method_reaches_a_val_that_was_not_chosen() -> None:
    val_town = ValTown()
    client = LimitedValTownClient(
        httpx.AsyncClient(transport=val_town), "https://val-town.test", "token", vals=frozenset({CHOSEN})
    )
    refused, done = 0, 0
    for call in every_call(client):
        try:
            result = await call
        except OutsideLimit:
            refused += 1
        except ValTownError:
            # This Val Town answers with a val whatever is asked.
            done += 1
        else:
            done += 1
            assert not isinstance(result, Val) or result.id == CHOSEN
    assert (refused, done) == (23, 14)
    for request in val_town.requests:
        path = request.url.path
        assert request.method == "GET" or path.startswith(OF_THE_ACCOUNT), request.url
        assert path.startswith((*OF_THE_ACCOUNT, f"/v2/vals/{CHOSEN}", "/v2/alias/vals/")), request.url


async def test_every_method_on_a_chosen_val_is_sent() -> None:
    val_town = ValTown()
    client = LimitedValTownClient(
        httpx.AsyncClient(transport=val_town), "https://val-town.test", "token", vals=frozenset({CALLED})
    )
    for call in (client.files(CALLED), client.delete_val(CALLED), client.env_vars(CALLED)):
        try:
            await call
        except OutsideLimit:
            raise
        except ValTownError:
            pass
    assert len(val_town.requests) == 3
    assert (await client.val_by_name("ada", "a")).id == CALLED
