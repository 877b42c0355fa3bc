"""An answer held against its row in the table of refusals."""

from typing import Any

import httpx

from shared.refusals.refusal import TOLD_HEADERS, Refusal


def holds(response: httpx.Response, row: Refusal, *, code: str | int | None = None) -> None:
    """Check status, code and headers of an answer; `code` where the endpoint has another than the row."""
    assert response.status_code == row.status, response.text
    assert _code(response) == (row.code if code is None else code)
    assert {name for name in TOLD_HEADERS if name in response.headers} == set(row.headers)
    assert response.headers.get("cache-control", "no-store") == "no-store"


def _code(response: httpx.Response) -> Any:
    if not response.headers.get("content-type", "").startswith("application/json"):
        return None
    error = response.json().get("error")
    if not isinstance(error, dict):
        return error
    return error.get("data", {}).get("error", error["code"]) if error["code"] > 0 else error["code"]
