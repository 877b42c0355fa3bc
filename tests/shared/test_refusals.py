"""The table of refusals is whole: whatever the services can answer has its row."""

import ast
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from types import ModuleType

import mcp_types
import pytest

import auth_server.app
import mcp_server.app
from shared.oauth.errors import OAuthError
from shared.refusals import TABLE, json_rpc, oauth, pages, transport
from shared.refusals.json_rpc import JSON_RPC
from shared.refusals.refusal import ALLOW, RETRY_AFTER, WWW_AUTHENTICATE, OAuthRefusal, Refusal, Remedy

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICES = (auth_server.app, mcp_server.app)
"""Imported, so that every subclass of `OAuthError` exists."""

ANSWERING = (
    "auth_server/front.py",
    "auth_server/endpoints",
    "auth_server/sign_in",
    "mcp_server/app.py",
    "mcp_server/endpoints",
    "mcp_server/protocol",
    "shared/web",
)
"""What makes answers: here no status is written as a number."""

REFUSING = {status.value for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST}

ROWS = [row for rows in TABLE.values() for row in rows]


def _nodes(*places: str) -> Iterator[tuple[str, ast.AST]]:
    for place in places:
        path = ROOT / place
        for file in [path] if path.suffix else sorted(path.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                yield str(file.relative_to(ROOT)), node


def _subclasses(of: type[OAuthError]) -> Iterator[type[OAuthError]]:
    for one in of.__subclasses__():
        yield one
        yield from _subclasses(one)


def test_every_oauth_error_has_a_row() -> None:
    ours = {one for one in _subclasses(OAuthError) if not one.__module__.startswith("tests.")}
    assert {row.raised for row in ROWS if isinstance(row, OAuthRefusal)} == ours


def test_every_json_rpc_code_in_use_has_a_row() -> None:
    used = {
        getattr(mcp_types, node.attr)
        for _, node in _nodes("mcp_server/app.py", "mcp_server/endpoints", "mcp_server/protocol")
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "mcp_types"
    }
    codes = {code for code in used if isinstance(code, int) and code < 0}
    assert mcp_types.INVALID_PARAMS in codes
    assert codes <= {row.code for row in JSON_RPC}


def test_a_status_is_written_in_the_table_alone() -> None:
    written = [
        (file, node.lineno, node.value)
        for file, node in _nodes(*ANSWERING)
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in REFUSING
    ]
    named = [
        (file, node.lineno, node.attr)
        for file, node in _nodes(*ANSWERING)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "HTTPStatus"
    ]
    assert written + named == []


@pytest.mark.parametrize("module", [json_rpc, oauth, pages, transport])
def test_no_row_stands_beside_the_table(module: ModuleType) -> None:
    rows = [value for value in vars(module).values() if isinstance(value, Refusal)]
    assert rows
    assert [row for row in rows if row not in ROWS] == []


def test_no_row_occurs_twice() -> None:
    assert len({(row.code, row.status, row.where, row.when) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("status", "header"), [(401, WWW_AUTHENTICATE), (405, ALLOW), (429, RETRY_AFTER)])
def test_a_status_has_the_header_that_http_demands_or_offers_with_it(status: int, header: str) -> None:
    rows = [row for row in ROWS if row.status == status]
    assert rows
    assert [row for row in rows if header not in row.headers] == []


def test_whoever_is_told_when_to_come_back_is_to_wait() -> None:
    assert {row.remedy for row in ROWS if RETRY_AFTER in row.headers} == {Remedy.WAIT}
