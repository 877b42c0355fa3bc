"""Path and query parameters with the limits of Val Town's OpenAPI document."""

import re
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import AfterValidator, Field

MAX_INTEGER = 2**53 - 1
"""The largest integer JSON readers agree on (RFC 8259 section 6); it also fits SQLite's 64 bits."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise ValueError('must match format "uuid"')
    return text.lower()


def _date_time(text: str) -> str:
    epoch_milliseconds(text)
    return text


def epoch_milliseconds(text: str) -> int:
    """Return an RFC 3339 date-time as milliseconds since 1970.

    Raises:
        ValueError: it is not one.
    """
    if not _DATE_TIME.fullmatch(text):
        raise ValueError('must match format "date-time"')
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError('must match format "date-time"') from None
    return round(moment.timestamp() * 1000)


Uuid = Annotated[str, AfterValidator(_uuid)]
DateTime = Annotated[str, AfterValidator(_date_time)]
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=MAX_INTEGER)]
Version = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
# Not bool: pydantic would also take "yes", "on" and "1".
Flag = Literal["true", "false"]
Privacy = Literal["public", "unlisted", "private"]
