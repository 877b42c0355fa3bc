"""The accounts' own SQLite databases: real ones, one file each, kept away from everything else.

What a statement may do is decided by SQLite's authorizer, not by looking at its text: no other file is
attached or written (ATTACH, VACUUM INTO), no pragma but those that only tell something.
"""

import math
import sqlite3
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mcp_server.sandbox.accounts import Account
from mcp_server.sandbox.errors import BadRequestError

MAX_ROWS = 10_000
MAX_SECONDS = 5.0
MAX_PAGES = 25_600
"""Of 4096 bytes: 100 MB."""

Mode = Literal["write", "read", "deferred"]
SqlValue = str | int | float | bool | None
Arguments = list[SqlValue] | dict[str, SqlValue]

_PRAGMAS = frozenset(
    {
        "foreign_key_list",
        "foreign_keys",
        "index_info",
        "index_list",
        "index_xinfo",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)
_REFUSED = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_TRANSACTION})


@dataclass(frozen=True, slots=True)
class Statement:
    """A SQL text and the values for its placeholders."""

    sql: str
    args: Arguments

    def values(self) -> Sequence[SqlValue] | dict[str, SqlValue]:
        """Return the values; names may carry the prefix of their placeholder, as in libSQL."""
        if isinstance(self.args, dict):
            return {name.lstrip(":@$"): value for name, value in self.args.items()}
        return self.args


def run(
    data_dir: Path, account: Account, statements: Sequence[Statement], mode: Mode
) -> list[dict[str, object]]:
    """Run statements in one transaction, all or none, and return a result set for each.

    Raises:
        BadRequestError: SQLite refuses one, with SQLite's words (the status is a guess).
    """
    with _opened(data_dir / f"sqlite-{account.username}.sqlite3", read_only=mode == "read") as connection:
        connection.execute("BEGIN IMMEDIATE" if mode == "write" else "BEGIN")
        connection.set_authorizer(_authorize)
        connection.set_progress_handler(_deadline(), 10_000)
        try:
            results = [_result(connection, statement) for statement in statements]
        except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeEncodeError) as error:
            connection.close()
            raise BadRequestError(f"{type(error).__name__}: {error}") from None
        connection.set_authorizer(None)
        connection.execute("COMMIT")
        return results


@contextmanager
def _opened(path: Path, *, read_only: bool) -> Iterator[sqlite3.Connection]:
    if read_only and not path.exists():
        sqlite3.connect(path).close()
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA max_page_count = {MAX_PAGES}")
        yield connection
    finally:
        connection.close()


def _authorize(
    action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None
) -> int:
    if action in _REFUSED:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() not in _PRAGMAS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _deadline() -> Callable[[], bool]:
    end = time.monotonic() + MAX_SECONDS
    return lambda: time.monotonic() > end


def _result(connection: sqlite3.Connection, statement: Statement) -> dict[str, object]:
    cursor = connection.execute(statement.sql, statement.values())
    columns = [str(column[0]) for column in cursor.description or ()]
    rows = cursor.fetchmany(MAX_ROWS + 1)
    if len(rows) > MAX_ROWS:
        raise sqlite3.DataError(f"more than {MAX_ROWS} rows")
    types = _declared_types(connection) if columns else {}
    return {
        "columns": columns,
        "columnTypes": [types.get(column, "") for column in columns],
        "rows": [[_json(value) for value in row] for row in rows],
        "rowsAffected": max(cursor.rowcount, 0),
        "lastInsertRowid": cursor.lastrowid or None,
    }


def _declared_types(connection: sqlite3.Connection) -> dict[str, str]:
    # The module does not tell the column a result came from: its name has to do.
    rows = connection.execute(
        """
        SELECT c.name, c.type FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
        WHERE t.type = 'table'
        """
    )
    return dict(rows.fetchall())


def _json(value: object) -> object:
    # JSON has neither bytes nor infinity; how Val Town writes them is not documented.
    if isinstance(value, bytes):
        return {"type": "blob", "base64": b64encode(value).decode("ascii")}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
