"""SQLite tools: what only reads, parameters, results within bounds."""

import pytest

from mcp_server.tools.sql_reading import reads_only
from tests.support.tool_caller import Caller

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select * from t where a = 'DELETE FROM t; x'",
        'SELECT "update" FROM t',
        "SELECT [delete], `drop` FROM t",
        "-- a comment; DROP\nSELECT 1",
        "/* DROP; */ SELECT 1;  -- end",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "VALUES (1), (2)",
        "EXPLAIN QUERY PLAN SELECT 1",
        "SELECT replace(a, 'x', 'y') FROM t",
        "SELECT updated, deleted_at, inserts FROM t",
        "SELECT 'it''s; fine' || ';'",
        "SELECT * FROM pragma_table_info('t')",
    ],
)
def test_a_query_is_let_through(sql: str) -> None:
    assert reads_only(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "  -- nothing",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "REPLACE INTO t VALUES (1)",
        "DROP TABLE t",
        "CREATE TABLE t (a)",
        "ALTER TABLE t ADD b",
        "ATTACH 'x' AS y",
        "PRAGMA writable_schema = 1",
        "VACUUM",
        "BEGIN",
        "SELECT 1; DELETE FROM t",
        "SELECT 1;;",
        "SELECT 1; SELECT 2",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "WITH x AS (SELECT 1) REPLACE INTO t SELECT * FROM x",
        "WITH x AS (SELECT 1) UPDATE t SET a = 1",
        "EXPLAIN DELETE FROM t",
        "/* */ DELETE FROM t",
        "/* unclosed SELECT */ DELETE FROM t",
        "SELECT 1 /* ' */; DELETE FROM t --'",
        "SELECT 'unclosed",
        "SELECT \"a' ; DELETE FROM t; --",
        "SELECT '\\'; DELETE FROM t; --'",
        "SELECT 1\x00; DELETE FROM t",
        "\ufeffDELETE FROM t",
        "dElEtE FROM t",
    ],
)
async def test_what_is_no_single_query_is_refused_before_it_is_sent(examples: Caller, sql: str) -> None:
    assert not reads_only(sql)
    await examples.refused("sqlite_query", sql=sql)
    assert examples.requests == []


async def test_a_query_runs_in_val_town_s_read_mode_too(examples: Caller) -> None:
    await examples.ok("sqlite_query", sql="SELECT 1")
    await examples.ok("sqlite_list_tables")
    await examples.ok("sqlite_describe_table", table="notes")
    assert all(b'"mode":"read"' in request.content for request in examples.requests)


async def test_rows_are_cut_at_the_limit_and_say_so(examples: Caller) -> None:
    found = await examples.ok("sqlite_query", sql="SELECT id FROM notes ORDER BY id", limit=1)
    assert (found["rows"], found["truncated"]) == ([[1]], True)
    whole = await examples.ok("sqlite_query", sql="SELECT id FROM notes ORDER BY id", limit=2)
    assert (whole["rows"], whole["truncated"]) == ([[1], [2]], False)
    large = await examples.ok("sqlite_query", sql="SELECT hex(zeroblob(60000)) FROM notes AS a, notes AS b")
    assert (len(large["rows"]), large["truncated"]) == (1, True)


async def test_a_batch_is_one_transaction_and_takes_statements_in_any_spelling(examples: Caller) -> None:
    statements = '[{"sql": "DELETE FROM notes"}, "INSERT INTO notes (id) VALUES (7)"]'
    done = await examples.ok("sqlite_batch", statements=statements)
    assert [result["rows_affected"] for result in done["results"]] == [2, 1]
    await examples.refused("sqlite_batch", statements=["DELETE FROM notes", "nonsense"])
    await examples.refused("sqlite_batch", statements=["DELETE FROM notes"], mode="read")
    assert (await examples.ok("sqlite_query", sql="SELECT id FROM notes"))["rows"] == [[7]]


@pytest.mark.parametrize("values", [[float("inf")], [["nested"]], [{"a": 1}], [float("nan")]])
async def test_parameters_are_scalars(examples: Caller, values: list[object]) -> None:
    assert "`parameters`" in await examples.refused("sqlite_query", sql="SELECT ?", parameters=values)
    both = await examples.refused("sqlite_query", sql="SELECT ?", parameters=[1], named_parameters={"a": 1})
    assert "not both" in both
    scalars = [None, True, 1, 1.5, "text"]
    found = await examples.ok("sqlite_query", sql="SELECT ?, ?, ?, ?, ?", parameters=scalars)
    assert found["rows"] == [[None, 1, 1, 1.5, "text"]]


@pytest.mark.parametrize("table", ['x"; DROP TABLE notes; --', "x' OR 1=1 --", "sqlite_schema); --"])
async def test_a_hostile_table_name_is_only_a_name(examples: Caller, table: str) -> None:
    assert "no table" in await examples.refused("sqlite_describe_table", table=table)
    described = await examples.ok("sqlite_describe_table", table="notes")
    assert described["rows"] == 2
    assert [column["name"] for column in described["columns"]] == ["id", "text"]


async def test_a_quoted_table_name_is_described(examples: Caller) -> None:
    await examples.ok("sqlite_execute", sql='CREATE TABLE "a ""b" (x REFERENCES notes (id))')
    described = await examples.ok("sqlite_describe_table", table='a "b')
    assert described["foreign_keys"] == [{"column": "x", "table": "notes", "references": "id"}]
