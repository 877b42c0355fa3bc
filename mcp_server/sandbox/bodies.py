"""JSON request bodies, checked strictly: media type, size, syntax, schema.

The messages are Fastify's, which the real API runs on.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from mcp_server.sandbox.errors import (
    BadRequestError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
    describe,
)

MAX_BODY_BYTES = 1 << 20
"""Fastify's default; the largest file, 80,000 characters all of them escaped as \\uXXXX, is half of it."""


class Body(BaseModel):
    """A request body: nothing is coerced; unknown members, which the published schemas allow, are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


BodyT = TypeVar("BodyT", bound=Body)


def json_body(model: type[BodyT]) -> Callable[[Request], Coroutine[Any, Any, BodyT]]:
    """Return a dependency that reads the request's body as `model`.

    Raises:
        UnsupportedMediaTypeError: from the dependency; the body is not declared to be JSON.
        PayloadTooLargeError: from the dependency; over `MAX_BODY_BYTES`.
        BadRequestError: from the dependency; not JSON, or not what the schema wants.
    """

    async def read(request: Request) -> BodyT:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        data = await _read_limited(request, MAX_BODY_BYTES)
        if media_type != "application/json" and (data or media_type):
            raise UnsupportedMediaTypeError(media_type)
        if not data:
            raise BadRequestError("Body cannot be empty when content-type is set to 'application/json'")
        try:
            return model.model_validate(_parse(data))
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise BadRequestError(
                describe({**item, "loc": ("body", *item["loc"])} for item in found)
            ) from None

    return read


async def json_object(request: Request) -> object:
    """Return the request's JSON body as it is.

    Raises:
        PayloadTooLargeError: over `MAX_BODY_BYTES`.
        BadRequestError: it is not JSON.
    """
    return _parse(await _read_limited(request, MAX_BODY_BYTES))


def raw_body(limit: int) -> Callable[[Request], Coroutine[Any, Any, bytes]]:
    """Return a dependency that reads the request's body as it is.

    Raises:
        PayloadTooLargeError: from the dependency; over `limit` bytes.
    """

    async def read(request: Request) -> bytes:
        return await _read_limited(request, limit)

    return read


async def _read_limited(request: Request, limit: int) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise PayloadTooLargeError
    return bytes(data)


def _parse(data: bytes) -> object:
    try:
        value: object = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadRequestError(
            "Body is not valid JSON but content-type is set to 'application/json'"
        ) from None
    return value


def _refuse_constant(name: str) -> NoReturn:
    # json.loads takes NaN and Infinity, which are not JSON (RFC 8259 section 6).
    raise ValueError(name)
