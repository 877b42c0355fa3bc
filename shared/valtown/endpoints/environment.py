"""Environment variables of a val (/v2/vals/{id}/environment_variables): values go in and never come out."""

from typing import Final

from pydantic import TypeAdapter

from shared.valtown.endpoints.family import MAX_PAGE, Family
from shared.valtown.models import EnvVar, Page, PageBody
from shared.valtown.transport import Call

_ENV_VAR: Final = TypeAdapter(EnvVar)
_ENV_VARS: Final = TypeAdapter(PageBody[EnvVar])
_PATH: Final = "/v2/vals/{val_id}/environment_variables"


class Environment(Family):
    """The environment of a val's code."""

    async def env_vars(self, val_id: str, *, offset: int = 0, limit: int = MAX_PAGE) -> Page[EnvVar]:
        """Return one page of the names and descriptions."""
        query = {"offset": offset, "limit": limit}
        return await self._page(_ENV_VARS, Call("GET", _PATH, {"val_id": val_id}, query))

    async def create_env_var(
        self, val_id: str, key: str, value: str, description: str | None = None
    ) -> EnvVar:
        """Add a variable; raises Conflict when there is one of that name."""
        body = {"key": key, **_members(value, description)}
        return await self._get(_ENV_VAR, Call("POST", _PATH, {"val_id": val_id}, body=body))

    async def update_env_var(
        self, val_id: str, key: str, value: str, description: str | None = None
    ) -> EnvVar:
        """Replace the value of a variable."""
        call = Call(
            "PUT", f"{_PATH}/{{key}}", {"val_id": val_id, "key": key}, body=_members(value, description)
        )
        return await self._get(_ENV_VAR, call)

    async def delete_env_var(self, val_id: str, key: str) -> None:
        """Delete a variable."""
        await self._send(Call("DELETE", f"{_PATH}/{{key}}", {"val_id": val_id, "key": key}))


def _members(value: str, description: str | None) -> dict[str, object]:
    return {"value": value} if description is None else {"value": value, "description": description}
