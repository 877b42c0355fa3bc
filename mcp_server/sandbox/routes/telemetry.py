"""GET /v1/telemetry/traces, /v1/telemetry/logs."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from mcp_server.sandbox import telemetry
from mcp_server.sandbox.access import TelemetryReader
from mcp_server.sandbox.links import Json, LinksDep
from mcp_server.sandbox.parameters import DateTime, Limit, Uuid, epoch_milliseconds
from mcp_server.sandbox.routes.state import StoreDep
from mcp_server.sandbox.telemetry import Direction, Line, Order, Run, Window

router = APIRouter()

TraceId = Annotated[str, Field(min_length=32, max_length=32)]


async def _window(
    file_id: Uuid | None = None,
    branch_ids: Annotated[list[Uuid] | None, Query(max_length=20)] = None,
    direction: Direction = "desc",
    start: DateTime | None = None,
    end: DateTime | None = None,
    limit: Limit = 20,
) -> Window:
    moments = [None if moment is None else epoch_milliseconds(moment) for moment in (start, end)]
    return Window(file_id, branch_ids or [], moments[0], moments[1], direction, limit)


WindowDep = Annotated[Window, Depends(_window)]


@router.get("/v1/telemetry/traces")
def list_traces(
    reader: TelemetryReader,
    store: StoreDep,
    links: LinksDep,
    window: WindowDep,
    order_by: Order = "start_time",
) -> JSONResponse:
    """List the runs of the caller's vals."""
    with store.reading() as session:
        found = telemetry.runs(session, reader, window, order_by)
    moments = [run.started_at if order_by == "start_time" else run.ended_at or 0 for run in found]
    items = [_trace(run) for run in found[: window.limit]]
    return JSONResponse(links.dated_page(items, window.limit, **_next(window, moments)))


@router.get("/v1/telemetry/logs")
def list_logs(
    reader: TelemetryReader,
    store: StoreDep,
    links: LinksDep,
    window: WindowDep,
    trace_ids: Annotated[list[TraceId] | None, Query(max_length=100)] = None,
) -> JSONResponse:
    """List what the runs of the caller's vals logged."""
    with store.reading() as session:
        found = telemetry.lines(session, reader, window, trace_ids or [])
    items = [_log(line) for line in found[: window.limit]]
    return JSONResponse(links.dated_page(items, window.limit, **_next(window, [line.at for line in found])))


def _next(window: Window, moments: list[int]) -> dict[str, int | None]:
    more = len(moments) > window.limit
    # From the first that did not fit on, or up to the last that did: `end` is exclusive.
    if window.direction == "asc":
        return {"start": moments[window.limit] if more else None}
    return {"end": moments[window.limit - 1] if more else None}


def _trace(run: Run) -> Json:
    failed = run.error is not None
    return {
        "traceId": run.id,
        "name": run.name,
        "startTimeUnixNano": _nanoseconds(run.started_at),
        "endTimeUnixNano": "0" if run.ended_at is None else _nanoseconds(run.ended_at),
        "attributes": _attributes(run),
        "status": {"code": 2 if failed else 1, "message": run.error or ""},
    }


def _log(line: Line) -> Json:
    return {
        "timeUnixNano": _nanoseconds(line.at),
        "body": {"stringValue": line.text},
        "traceId": line.trace_id,
        "attributes": _attributes(line),
        "severityText": line.severity,
    }


def _attributes(noted: Run | Line) -> list[Json]:
    # The names are ours: Val Town documents none.
    members = {"file.id": noted.file_id, "branch.id": noted.branch_id}
    return [{"key": key, "value": {"stringValue": value}} for key, value in members.items()]


def _nanoseconds(milliseconds: int) -> str:
    return str(milliseconds * 1_000_000)
