"""Conditional requests: If-Match, If-None-Match, If-(Un)Modified-Since (RFC 9110 section 13)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Literal

Outcome = Literal["proceed", "not modified", "failed"]

_ENTITY_TAG = re.compile(r'(W/)?("[^"]*")')


def http_date(milliseconds: int) -> str:
    """Return a moment, in milliseconds since 1970, as an HTTP date."""
    return format_datetime(datetime.fromtimestamp(milliseconds // 1000, UTC), usegmt=True)


def evaluate(headers: Mapping[str, str], etag: str, modified: int) -> Outcome:
    """Return what the preconditions of a GET come to, in the order of RFC 9110 section 13.2.2.

    `etag` is strong and quoted, `modified` in milliseconds since 1970; `headers` must not mind case.
    """
    seconds = modified // 1000
    if "if-match" in headers:
        if not _any_tag_matches(headers["if-match"], etag, weakly=False):
            return "failed"
    elif (limit := _moment(headers.get("if-unmodified-since"))) is not None and seconds > limit:
        return "failed"
    if "if-none-match" in headers:
        unchanged = _any_tag_matches(headers["if-none-match"], etag, weakly=True)
    else:
        since = _moment(headers.get("if-modified-since"))
        unchanged = since is not None and seconds <= since
    return "not modified" if unchanged else "proceed"


def _any_tag_matches(field: str, etag: str, *, weakly: bool) -> bool:
    if field.strip() == "*":
        return True
    return any(tag == etag and (weakly or not weak) for weak, tag in _ENTITY_TAG.findall(field))


def _moment(field: str | None) -> int | None:
    # RFC 9110 sections 13.1.3 and 13.1.4: a date that cannot be read is as good as none.
    if field is None:
        return None
    try:
        moment = parsedate_to_datetime(field)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
