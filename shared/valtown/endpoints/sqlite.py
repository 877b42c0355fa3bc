"""The SQLite database of the account (/v1/sqlite)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import TypeAdapter

from shared.valtown.endpoints.family import Family
from shared.valtown.models import ResultSet
from shared.valtown.transport import Call

MAX_STATEMENT_CHARACTERS: Final = 100_000
"""The longest SQL text the API takes."""

MAX_STATEMENTS: Final = 500
"""Of one batch; also the most parameters of one statement."""

SqlValue = str | int | float | bool | None
Mode = Literal["read", "write", "deferred"]

_RESULT: Final = TypeAdapter(ResultSet)
_RESULTS: Final = TypeAdapter(list[ResultSet])


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement and the values for its placeholders, by position or by name."""

    sql: str
    parameters: Sequence[SqlValue] | dict[str, SqlValue] = ()

    def as_json(self) -> object:
        """Return it as the API takes it."""
        if not self.parameters:
            return self.sql
        args = self.parameters if isinstance(self.parameters, dict) else list(self.parameters)
        return {"sql": self.sql, "args": args}


class Sqlite(Family):
    """The database is global to the account: every val of it sees the same one."""

    async def execute(self, statement: Statement) -> ResultSet:
        """Run one statement that may write."""
        call = Call("POST", "/v1/sqlite/execute", body={"statement": statement.as_json()})
        return await self._get(_RESULT, call)

    async def batch(self, statements: Sequence[Statement], mode: Mode) -> list[ResultSet]:
        """Run statements in one transaction, all or none; in mode `read` none of them can write."""
        body = {"statements": [statement.as_json() for statement in statements], "mode": mode}
        return await self._get(_RESULTS, Call("POST", "/v1/sqlite/batch", body=body))
