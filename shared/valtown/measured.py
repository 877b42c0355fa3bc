"""One call to Val Town, counted and timed, and a span of the trace when there is one."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from shared import tracing
from shared.metrics import VAL_TOWN_REQUESTS, VAL_TOWN_SECONDS
from shared.valtown.errors import RateLimited, Unauthorized, Unavailable, ValTownError


@contextmanager
def measured(operation: str) -> Iterator[Mapping[str, str]]:
    """Measure what runs inside; give the headers that carry the trace on.

    Args:
        operation: the method and path template, or another name in our own code.
    """
    started = time.perf_counter()
    outcome = "ok"
    try:
        with tracing.client_span(operation) as headers:
            yield headers
    except BaseException as error:
        outcome = _outcome_of(error)
        raise
    finally:
        VAL_TOWN_REQUESTS.inc(operation, outcome)
        VAL_TOWN_SECONDS.of(operation).observe(time.perf_counter() - started)


def _outcome_of(error: BaseException) -> str:
    match error:
        case asyncio.CancelledError():
            return "cancelled"
        case RateLimited():
            return "busy_here" if error.status is None else "rate_limited"
        case Unauthorized():
            return "unauthorized"
        case ValTownError() if not isinstance(error, Unavailable):
            return "refused"
        case _:
            return "no_answer" if getattr(error, "status", None) is None else "failing"
