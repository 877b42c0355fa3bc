"""POST /v1/sqlite/execute, /v1/sqlite/batch."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import Field

from mcp_server.sandbox import sql
from mcp_server.sandbox.access import AnyToken, SqliteWriter, permit
from mcp_server.sandbox.bodies import Body, json_body
from mcp_server.sandbox.routes.state import StoreDep
from mcp_server.sandbox.sql import Mode, SqlValue

MAX_SQL = 100_000
MAX_ITEMS = 500

Sql = Annotated[str, Field(max_length=MAX_SQL)]

router = APIRouter()


class Parameterized(Body):
    """A statement with placeholders, and their values by position or by name."""

    sql: Sql
    args: (
        Annotated[list[SqlValue], Field(max_length=MAX_ITEMS)]
        | Annotated[dict[str, SqlValue], Field(max_length=MAX_ITEMS)]
    )


Statement = Sql | Parameterized


class Execute(Body):
    """The body of POST /v1/sqlite/execute."""

    statement: Statement


class Batch(Body):
    """The body of POST /v1/sqlite/batch."""

    statements: list[Statement] = Field(max_length=MAX_ITEMS)
    mode: Mode = "deferred"


@router.post("/v1/sqlite/execute")
def execute(
    writer: SqliteWriter, body: Annotated[Execute, Depends(json_body(Execute))], store: StoreDep
) -> JSONResponse:
    """Run one statement."""
    (result,) = sql.run(store.data_dir, writer, [_statement(body.statement)], "write")
    return JSONResponse(result)


@router.post("/v1/sqlite/batch")
def batch(
    access: AnyToken, body: Annotated[Batch, Depends(json_body(Batch))], store: StoreDep
) -> JSONResponse:
    """Run statements in one transaction; in mode `read`, the only one open to a token that may only read."""
    account = permit(access, "sqlite:read" if body.mode == "read" else "sqlite:write")
    return JSONResponse(
        sql.run(store.data_dir, account, [_statement(item) for item in body.statements], body.mode)
    )


def _statement(given: Statement) -> sql.Statement:
    return sql.Statement(given, []) if isinstance(given, str) else sql.Statement(given.sql, given.args)
