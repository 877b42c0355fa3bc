"""Request bodies that are no JSON, or too much of it."""

import json

import httpx
import pytest

pytestmark = pytest.mark.anyio

JSON = "application/json"
GOOD = json.dumps({"name": "from-bytes", "privacy": "public"}).encode()


async def send(client: httpx.AsyncClient, content: bytes, media_type: str | None = JSON) -> httpx.Response:
    headers = {} if media_type is None else {"Content-Type": media_type}
    return await client.post("/v2/vals", content=content, headers=headers)


@pytest.mark.parametrize("media_type", [JSON, "application/json; charset=utf-8", "Application/JSON"])
async def test_json_is_taken(ada: httpx.AsyncClient, media_type: str) -> None:
    assert (await send(ada, GOOD, media_type)).status_code == 201


@pytest.mark.parametrize(
    "media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp", ";"]
)
async def test_other_media_types_are_refused(ada: httpx.AsyncClient, media_type: str | None) -> None:
    response = await send(ada, GOOD, media_type)
    assert response.status_code == 415
    assert isinstance(response.json()["message"], str)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        GOOD[:-1],
        GOOD + b"}",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b'{"name": "a", "privacy": "public", "unknown": NaN}',
        b'{"name": "\xff", "privacy": "public"}',
        b'{"name": "a", "privacy": "public", "description": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"name": ' + b"9" * 10_000 + b"}",
        GOOD.decode().encode("utf-16"),
    ],
)
async def test_what_is_no_val_in_json_is_a_bad_request(ada: httpx.AsyncClient, content: bytes) -> None:
    response = await send(ada, content)
    assert response.status_code == 400
    message = response.json()["message"]
    assert isinstance(message, str)
    assert "pydantic" not in message


async def test_a_body_over_a_mebibyte_is_too_large(ada: httpx.AsyncClient) -> None:
    padding = b" " * (2**20 - len(GOOD))
    assert (await send(ada, GOOD + padding + b" ")).status_code == 413
    assert (await send(ada, GOOD + padding)).status_code == 201
