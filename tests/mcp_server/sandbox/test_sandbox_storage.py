"""Blobs and SQLite of the stand-in: bytes stay bytes, accounts stay apart, statements stay in their file."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import StillClock
from fastapi import FastAPI

from mcp_server.sandbox.app import create_app

pytestmark = pytest.mark.anyio

Connect = Callable[[str | None], httpx.AsyncClient]


async def batch(client: httpx.AsyncClient, *statements: Any, mode: str = "write") -> httpx.Response:
    return await client.post("/v1/sqlite/batch", json={"statements": list(statements), "mode": mode})


async def execute(client: httpx.AsyncClient, statement: Any) -> httpx.Response:
    return await client.post("/v1/sqlite/execute", json={"statement": statement})


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("key", ["plain", "a/b/c", "a%2Fb ä?#", "100%"])
async def test_a_blob_comes_back_as_the_bytes_it_was(ada: httpx.AsyncClient, version: str, key: str) -> None:
    content = bytes(range(256)) * 3
    path = (
        f"/{version}/blob/{httpx.URL('http://x/', params={'k': key}).query[2:].decode().replace('+', '%20')}"
    )
    stored = await ada.post(path, content=content, headers={"Content-Type": "image/png"})
    assert (stored.status_code, stored.json()) == (201, "ok")
    read = await ada.get(path)
    assert (read.content, read.headers["content-type"]) == (content, "application/octet-stream")
    listed = (await ada.get(f"/{version}/blob")).json()
    assert [(item["key"], item["size"]) for item in listed] == [(key, 768)]
    assert (await ada.delete(path)).status_code == 204
    assert (await ada.get(path)).status_code == 404
    assert (await ada.delete(path)).status_code == 404


async def test_blobs_are_listed_by_prefix_and_by_account(
    ada: httpx.AsyncClient, grace: httpx.AsyncClient
) -> None:
    for key in ("a_1", "a%25", "b"):
        await ada.post(f"/v1/blob/{key}", content=b"x")
    listed = await ada.get("/v1/blob", params={"prefix": "a_"})
    assert [item["key"] for item in listed.json()] == ["a_1"]
    assert (await grace.get("/v1/blob")).json() == []
    assert (await grace.get("/v1/blob/b")).status_code == 404


async def test_a_blob_has_a_key_of_its_length_and_fits_the_plan(
    ada: httpx.AsyncClient, grace: httpx.AsyncClient
) -> None:
    assert (await ada.post(f"/v1/blob/{'k' * 512}", content=b"")).status_code == 201
    refused = await ada.post(f"/v1/blob/{'k' * 513}", content=b"")
    assert (refused.status_code, refused.json()["error"]) == (400, "Bad Request")
    assert (await ada.post("/v1/blob/", content=b"")).status_code == 400
    assert (await ada.post("/v1/blob/big", content=b"x" * (16 << 20))).status_code == 201
    assert (await ada.post("/v1/blob/big", content=b"x" * ((16 << 20) + 1))).status_code == 413
    assert (await grace.post("/v1/blob/big", content=b"x" * (10 << 20))).status_code == 201
    assert (await grace.post("/v1/blob/one", content=b"x")).status_code == 400
    assert (await grace.post("/v1/blob/big", content=b"x" * (10 << 20))).status_code == 201


async def test_statements_run_with_parameters_by_position_and_by_name(ada: httpx.AsyncClient) -> None:
    await execute(ada, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, score REAL)")
    inserted = await execute(
        ada, {"sql": "INSERT INTO t (name, score) VALUES (?, ?)", "args": ["'; --", 1.5]}
    )
    assert inserted.json() == {
        "columns": [],
        "columnTypes": [],
        "rows": [],
        "rowsAffected": 1,
        "lastInsertRowid": 1,
    }
    for prefix in ("", ":", "@", "$"):
        found = await execute(
            ada, {"sql": "SELECT name, score, 1 + 1 FROM t WHERE id = :id", "args": {f"{prefix}id": 1}}
        )
        assert found.json()["rows"] == [["'; --", 1.5, 2]]
        assert found.json()["columnTypes"] == ["TEXT", "REAL", ""]


async def test_a_batch_is_all_or_nothing(ada: httpx.AsyncClient) -> None:
    await execute(ada, "CREATE TABLE t (a UNIQUE)")
    failed = await batch(ada, "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)")
    assert failed.status_code == 400
    assert (await execute(ada, "SELECT count(*) FROM t")).json()["rows"] == [[0]]
    done = await batch(ada, "INSERT INTO t VALUES (1)", {"sql": "SELECT a FROM t", "args": []})
    assert done.json()[1]["rows"] == [[1]]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE u (a)",
        "INSERT INTO t VALUES (2)",
        "DELETE FROM t",
        "DROP TABLE t",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "EXPLAIN SELECT 1; DELETE FROM t",
        "PRAGMA query_only = OFF",
        "VACUUM",
    ],
)
async def test_nothing_is_written_in_read_mode(ada: httpx.AsyncClient, statement: str) -> None:
    await batch(ada, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    assert (await batch(ada, statement, mode="read")).status_code == 400
    assert (await batch(ada, "SELECT a FROM t", mode="read")).json()[0]["rows"] == [[1]]


@pytest.mark.parametrize("mode", ["read", "write", "deferred"])
@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH DATABASE '{folder}/vals.sqlite3' AS other",
        "VACUUM INTO '{folder}/copy.sqlite3'",
        "PRAGMA journal_mode = WAL",
        "PRAGMA writable_schema = ON",
        "SELECT load_extension('x')",
        "COMMIT",
        "BEGIN",
        "SELECT 1; SELECT 2",
        "SELECT ?",
        "nonsense",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 10001",
    ],
)
async def test_what_leads_out_of_the_file_or_the_transaction_is_refused(
    ada: httpx.AsyncClient, tmp_path: Path, statement: str, mode: str
) -> None:
    before = files_in(tmp_path)
    refused = await batch(ada, statement.format(folder=tmp_path), mode=mode)
    assert (refused.status_code, "message" in refused.json()) == (400, True)
    assert files_in(tmp_path) - before <= {"sqlite-ada.sqlite3"}
    assert (await batch(ada, "SELECT 1", mode=mode)).status_code == 200


async def test_accounts_have_databases_of_their_own(
    ada: httpx.AsyncClient, grace: httpx.AsyncClient, connect: Connect
) -> None:
    await execute(ada, "CREATE TABLE t (a)")
    assert (await execute(grace, "SELECT * FROM t")).status_code == 400
    reader = connect("vtwn_sandbox_ada_readonly")
    assert (await batch(reader, "SELECT * FROM t", mode="read")).status_code == 200
    assert (await batch(reader, "SELECT * FROM t", mode="deferred")).status_code == 403
    assert (await execute(reader, "SELECT * FROM t")).status_code == 403
    vals_only = connect("vtwn_sandbox_ada_vals")
    assert (await batch(vals_only, "SELECT 1", mode="read")).status_code == 403
    assert (await vals_only.get("/v1/blob")).status_code == 403


async def test_values_that_json_lacks_are_written_in_a_way_it_has(ada: httpx.AsyncClient) -> None:
    found = await execute(ada, "SELECT x'00ff', 9e999, NULL, 9007199254740993")
    assert found.json()["rows"] == [[{"type": "blob", "base64": "AP8="}, None, None, 9007199254740993]]


async def test_everything_survives_a_restart(tmp_path: Path, clock: StillClock, app: FastAPI) -> None:
    async def talk(application: FastAPI) -> httpx.AsyncClient:
        headers = {"Authorization": "Bearer vtwn_sandbox_ada"}
        transport = httpx.ASGITransport(application)
        return httpx.AsyncClient(transport=transport, base_url="http://sandbox.test", headers=headers)

    before = await talk(app)
    await before.post("/v1/blob/kept", content=b"bytes")
    await execute(before, "CREATE TABLE kept (a)")
    await before.post("/v1/email", json={"subject": "kept"})
    (val, *_) = (await before.get("/v2/me/vals")).json()["data"]
    variables = f"/v2/vals/{val['id']}/environment_variables"
    await before.post(variables, json={"key": "KEPT", "value": "v"})
    logs = (await before.get("/v1/telemetry/logs")).json()["data"]
    app.state.store.close()
    again = create_app(tmp_path, clock=clock)
    after = await talk(again)
    assert (await after.get("/v1/blob/kept")).content == b"bytes"
    assert (await execute(after, "SELECT * FROM kept")).status_code == 200
    assert [item["key"] for item in (await after.get(variables)).json()["data"]] == ["KEPT"]
    assert (await after.get("/v1/telemetry/logs")).json()["data"] == logs
    assert [sent["subject"] for sent in (await after.get("/")).json()["emails"]] == ["kept"]
    again.state.store.close()
    with sqlite3.connect(tmp_path / "sqlite-ada.sqlite3") as file:
        assert file.execute("SELECT name FROM sqlite_schema").fetchall() == [("kept",)]
    file.close()
