"""The state of the stand-in: SQLite files in one folder, changed in transactions that exclude each other."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

VALS_SCHEMA = """
CREATE TABLE IF NOT EXISTS vals (
    id          TEXT PRIMARY KEY,
    owner_id    TEXT NOT NULL,
    name        TEXT NOT NULL,
    privacy     TEXT NOT NULL,
    description TEXT,
    -- Unique, because GET /v2/vals pages by this moment alone.
    created_at  INTEGER NOT NULL UNIQUE,
    UNIQUE (owner_id, name)
);
CREATE TABLE IF NOT EXISTS branches (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    val_id      TEXT NOT NULL REFERENCES vals (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    version     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    forked_from TEXT REFERENCES branches (id) ON DELETE SET NULL,
    UNIQUE (val_id, name)
);
CREATE TABLE IF NOT EXISTS contents (
    digest TEXT PRIMARY KEY,
    text   TEXT NOT NULL
);
-- What stood at a path of a branch from version `since` to just before version `until` (NULL: it still does).
CREATE TABLE IF NOT EXISTS entries (
    branch_id  TEXT NOT NULL REFERENCES branches (id) ON DELETE CASCADE,
    file_id    TEXT NOT NULL,
    path       TEXT NOT NULL,
    type       TEXT NOT NULL,
    digest     TEXT REFERENCES contents (digest),
    since      INTEGER NOT NULL,
    until      INTEGER,
    updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS entries_now ON entries (branch_id, path) WHERE until IS NULL;
CREATE INDEX IF NOT EXISTS entries_then ON entries (branch_id, path, since);
CREATE INDEX IF NOT EXISTS entries_by_file ON entries (file_id);
CREATE TABLE IF NOT EXISTS environment_variables (
    val_id      TEXT NOT NULL REFERENCES vals (id) ON DELETE CASCADE,
    key         TEXT NOT NULL,
    value       TEXT NOT NULL,
    description TEXT,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER,
    PRIMARY KEY (val_id, key)
);
CREATE TABLE IF NOT EXISTS blobs (
    owner_id    TEXT NOT NULL,
    key         TEXT NOT NULL,
    content     BLOB NOT NULL,
    modified_at INTEGER NOT NULL,
    PRIMARY KEY (owner_id, key)
);
CREATE TABLE IF NOT EXISTS emails (
    id       TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    sent_at  INTEGER NOT NULL,
    message  TEXT NOT NULL
);
-- `started_at` and `at` are unique, because telemetry is paged by moments alone.
CREATE TABLE IF NOT EXISTS traces (
    id         TEXT PRIMARY KEY,
    branch_id  TEXT NOT NULL REFERENCES branches (id) ON DELETE CASCADE,
    file_id    TEXT NOT NULL,
    name       TEXT NOT NULL,
    started_at INTEGER NOT NULL UNIQUE,
    ended_at   INTEGER,
    error      TEXT
);
CREATE TABLE IF NOT EXISTS logs (
    trace_id TEXT NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
    at       INTEGER NOT NULL UNIQUE,
    severity TEXT NOT NULL,
    text     TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS logs_of_trace ON logs (trace_id);
"""

OAUTH_SCHEMA = """
CREATE TABLE IF NOT EXISTS clients (
    id          TEXT PRIMARY KEY,
    metadata    TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    created_at  INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS connections (
    id         TEXT PRIMARY KEY,
    client_id  TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL,
    scope      TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS codes (
    hash          TEXT PRIMARY KEY,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    redirect_uri  TEXT NOT NULL,
    challenge     TEXT NOT NULL,
    expires_at    INTEGER NOT NULL,
    used          INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS tokens (
    hash          TEXT PRIMARY KEY,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    kind          TEXT NOT NULL,
    expires_at    INTEGER NOT NULL,
    used          INTEGER NOT NULL DEFAULT 0
);
"""


@dataclass(frozen=True, slots=True)
class Session:
    """One transaction: its connection, its moment in milliseconds since 1970, and where new ids come from."""

    connection: sqlite3.Connection
    now: int
    new_id: Callable[[], str]


class Database:
    """One SQLite file behind one connection and one lock.

    Endpoints run in a thread pool, so waiting for the lock never holds up the event loop.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._lock = threading.Lock()
        # isolation_level=None: transactions are begun and ended here, not by the module's guesses.
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(schema)

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside one transaction: committed at the end, rolled back on any error.

        Threads take turns; another process on the same file is held off from the beginning of a writing one.
        """
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file; the database is of no use afterwards."""
        with self._lock:
            self._connection.close()


class Store:
    """Everything the stand-in remembers."""

    def __init__(self, data_dir: Path, *, clock: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._clock = clock
        self._new_id = new_id
        self._vals = Database(data_dir / "vals.sqlite3", VALS_SCHEMA)
        self._oauth = Database(data_dir / "oauth.sqlite3", OAUTH_SCHEMA)
        self.data_dir = data_dir

    def reading(self) -> AbstractContextManager[Session]:
        """Return a transaction over vals, branches and files that sees one moment of them."""
        return self._session(self._vals, write=False, new_id=self._new_id)

    def writing(self, *, new_id: Callable[[], str] | None = None) -> AbstractContextManager[Session]:
        """Return a transaction that may change vals, branches and files; one at a time, all or nothing."""
        return self._session(self._vals, write=True, new_id=new_id or self._new_id)

    def oauth_reading(self) -> AbstractContextManager[Session]:
        """Return a transaction over apps and their connections that sees one moment of them."""
        return self._session(self._oauth, write=False, new_id=self._new_id)

    def oauth_writing(self) -> AbstractContextManager[Session]:
        """Return a transaction that may change apps and their connections."""
        return self._session(self._oauth, write=True, new_id=self._new_id)

    @contextmanager
    def _session(self, database: Database, *, write: bool, new_id: Callable[[], str]) -> Iterator[Session]:
        with database.transaction(write=write) as connection:
            yield Session(connection, int(self._clock() * 1000), new_id)

    def close(self) -> None:
        """Close every file."""
        self._vals.close()
        self._oauth.close()
