"""What both services count. docs/operations.md tells what each of these means, and what to do when it moves.

One process serves a container, on one event loop, so what stands here is everything that `/metrics` of that
replica has to say; sums over replicas are Prometheus's work.
"""

import platform
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.series import Counts, Levels, Timings

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})

REQUESTS: Final = Counts(
    "http_requests_total",
    "Requests answered; status 0: the connection ended before there was one.",
    {"method": METHODS, "route": None, "status": ("0", *(str(status.value) for status in HTTPStatus))},
)
REQUEST_SECONDS: Final = Timings(
    "http_request_duration_seconds", "Time until the last byte of the answer.", {"route": None}
)
REQUESTS_IN_FLIGHT: Final = Levels("http_requests_in_flight", "Requests that are being answered.")

STORE_SECONDS: Final = Timings(
    "store_operation_duration_seconds",
    "Time of one command, transaction or script, with the wait for a connection.",
    {"operation": None},
)
STORE_ERRORS: Final = Counts(
    "store_errors_total",
    "Commands, transactions and scripts that the store did not carry out.",
    {"operation": None, "reason": ("timeout", "connection", "full", "read_only")},
)

VAL_TOWN_REQUESTS: Final = Counts(
    "valtown_requests_total",
    "Calls to Val Town, a repetition included, by how they ended.",
    {
        "operation": None,
        "outcome": (
            "ok",
            "refused",
            "unauthorized",
            "rate_limited",
            "failing",
            "no_answer",
            "busy_here",
            "cancelled",
        ),
    },
)
VAL_TOWN_SECONDS: Final = Timings(
    "valtown_request_duration_seconds",
    "Time of a call to Val Town, with the wait for a turn and a repetition.",
    {"operation": None},
)

SHED: Final = Counts("http_requests_shed_total", "Requests refused because too much was under way.", {})
LOG_LINES_DROPPED: Final = Counts(
    "log_lines_dropped_total", "Log lines lost because nobody read them in time.", {}
)

RATE_LIMITED: Final = Counts("rate_limit_hits_total", "Events that a limit refused.", {"limit": None})
TASK_FAILURES: Final = Counts(
    "background_task_failures_total", "Background tasks that failed and were started again.", {"task": None}
)

FLOW_STEPS_DROPPED: Final = Counts(
    "flow_steps_dropped_total",
    "Steps of authorization attempts that were not recorded.",
    {"why": ("queue", "store", "full", "too many")},
)

AUDIT_RECORDS: Final = Counts("audit_records_total", "Records written to the audit log.")
AUDIT_DROPPED: Final = Counts(
    "audit_records_dropped_total",
    "Records missing from the audit log, which tells of the gap itself.",
    {"why": ("queue", "disk", "flood")},
)

BUILD: Final = Levels("build_info", "Always 1.", {"service": None, "version": None, "python": None})


def describe_build(service: str) -> None:
    """Say which service this process is, in which version."""
    BUILD.set(1, service, project_version(), platform.python_version())


def project_version() -> str:
    """Return this project's version; "0" in a container, which has the source without package metadata."""
    try:
        return version("val-town-mcp-server")
    except PackageNotFoundError:
        return "0"


def exposition() -> bytes:
    """Return everything this process counts, as Prometheus reads it."""
    return generate_latest()
