"""What Val Town's REST API answers instead of a result: one class per kind of refusal.

ValTownError
├── Unauthorized       401: the credential is wrong or was revoked
├── Forbidden          403: the credential lacks a permission
├── NotFound           404: not there, or not visible to this account
├── Conflict           409: the name or path is taken
├── OutsideLimit       refused here (status None): the grant is limited to other vals
├── BadRequest         any other 4xx, and what is refused here before it is sent (status None)
├── RateLimited        429
└── Unavailable        5xx, no answer in time, no connection, or an answer that cannot be used
"""
# ruff: noqa: N818 - the names are those of the HTTP statuses they stand for

from typing import Final


class ValTownError(Exception):
    """A call that gave no result; `message` is Val Town's own sentence, without any credential."""

    def __init__(self, status: int | None, message: str) -> None:
        """Take the HTTP status (None: there was no answer) and a sentence for the person."""
        super().__init__(message)
        self.status = status
        self.message = message


class Unauthorized(ValTownError):
    """The credential is wrong, expired or was revoked at Val Town."""


class Forbidden(ValTownError):
    """The credential is good but lacks a permission, or the plan does not allow it."""


class NotFound(ValTownError):
    """Nothing there, or nothing that this account may see: Val Town does not tell the two apart."""


class OutsideLimit(ValTownError):
    """The grant is limited to chosen vals, and this goes beyond them; nothing was sent."""

    def __init__(self, message: str) -> None:
        """Take a sentence for the person."""
        super().__init__(None, message)


class Conflict(ValTownError):
    """The name or the path is taken."""


class BadRequest(ValTownError):
    """Val Town, or this client before sending, finds the request wrong."""


class RateLimited(ValTownError):
    """Too many requests."""

    def __init__(self, status: int | None, message: str, retry_after: float | None = None) -> None:
        """Take the status, the sentence, and the seconds Val Town asks to wait (None: it did not say)."""
        super().__init__(status, message)
        self.retry_after = retry_after


class Unavailable(ValTownError):
    """No usable answer: a fault at Val Town, on the way there, or an answer beyond the bounds."""


_BY_STATUS: Final = {401: Unauthorized, 403: Forbidden, 404: NotFound, 408: Unavailable, 409: Conflict}


def error_for(status: int, message: str, retry_after: float | None = None) -> ValTownError:
    """Return the error for an answer that is no success; `retry_after` in seconds."""
    if status == 429:
        return RateLimited(status, message, retry_after)
    if status in _BY_STATUS:
        return _BY_STATUS[status](status, message)
    return BadRequest(status, message) if 400 <= status < 500 else Unavailable(status, message)
