"""The answers that are not 2xx, as exceptions; `app` turns them into `{"message": …}`.

ApiError
├── BadRequestError           400
│   └── BlobError             400
├── UnauthorizedError         401
├── ForbiddenError            403
├── NotFoundError             404
├── ConflictError             409
├── PayloadTooLargeError      413
└── UnsupportedMediaTypeError 415
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

_PLACES = {"query": "querystring", "path": "params", "header": "headers"}


class ApiError(Exception):
    """A refusal with the status and the message the caller gets."""

    status: ClassVar[int] = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def body(self) -> dict[str, str]:
        return {"message": self.message}


class BadRequestError(ApiError):
    """The request breaks a rule of its schema, or one the schema cannot say."""

    status = 400


class BlobError(BadRequestError):
    """A blob cannot be stored: the one refusal that is documented with `error` beside `message`."""

    def body(self) -> dict[str, str]:
        return {"error": "Bad Request", "message": self.message}


class UnauthorizedError(ApiError):
    """No token, or one nobody has."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class ForbiddenError(ApiError):
    """A known token, but neither its permissions nor the account's tier allow this."""

    status = 403


class NotFoundError(ApiError):
    """No such thing, or none that this caller may know of."""

    status = 404


class ConflictError(ApiError):
    """The name or path is taken."""

    status = 409


class PayloadTooLargeError(ApiError):
    """The body is larger than any documented one."""

    status = 413

    def __init__(self) -> None:
        super().__init__("Request body is too large")


class UnsupportedMediaTypeError(ApiError):
    """The body is not declared to be JSON."""

    status = 415

    def __init__(self, media_type: str) -> None:
        super().__init__(f"Unsupported Media Type: {media_type or 'undefined'}")


def describe(errors: Iterable[Mapping[str, object]]) -> str:
    """Return pydantic's findings as one line, each with the place it was found: `querystring/limit …`."""
    return ", ".join(f"{_place(error)} {_reason(error)}" for error in errors)


def _place(error: Mapping[str, object]) -> str:
    location = error["loc"]
    steps = [str(step) for step in location] if isinstance(location, tuple) else []
    if steps and steps[0] in _PLACES:
        steps[0] = _PLACES[steps[0]]
    return "/".join(steps)


def _reason(error: Mapping[str, object]) -> str:
    reason = str(error["msg"]).removeprefix("Value error, ")
    return reason[:1].lower() + reason[1:]
